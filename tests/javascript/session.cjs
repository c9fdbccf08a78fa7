// From pictures to an answer: node session.cjs PROJECT BUCKET FOLDER, where FOLDER has pictures in a folder per label.
// Prints what was detected, as JSON.
const { readFileSync, readdirSync } = require("node:fs");
const { join } = require("node:path");
const { S3, PutObjectCommand } = require("@aws-sdk/client-s3");
const {
  Rekognition,
  waitUntilProjectVersionRunning,
  waitUntilProjectVersionTrainingCompleted,
} = require("@aws-sdk/client-rekognition");

const [project, bucket, folder] = process.argv.slice(2);
const rekognition = new Rekognition({});
const s3 = new S3({ forcePathStyle: true });
const patience = { client: rekognition, maxWaitTime: 120, minDelay: 0.1, maxDelay: 0.5 };

function line(key, label) {
  return JSON.stringify({
    "source-ref": `s3://${bucket}/${key}`,
    label: 0,
    "label-metadata": {
      "class-name": label,
      confidence: 1,
      type: "groundtruth/image-classification",
      "human-annotated": "yes",
      "creation-date": "2026-03-04T10:15:00",
    },
  });
}

async function upload() {
  const lines = [];
  for (const label of readdirSync(folder)) {
    for (const name of readdirSync(join(folder, label))) {
      const key = `${project}/${label}/${name}`;
      const picture = readFileSync(join(folder, label, name));
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: picture }));
      lines.push([key, label]);
    }
  }
  const manifest = { Bucket: bucket, Key: `${project}/train.manifest` };
  const text = lines.map(([key, label]) => line(key, label)).join("\n");
  await s3.send(new PutObjectCommand({ ...manifest, Body: text }));
  return { key: manifest.Key, lines };
}

async function trained(manifest) {
  const { ProjectArn } = await rekognition.createProject({ ProjectName: project });
  const location = { S3Object: { Bucket: bucket, Name: manifest } };
  const { ProjectVersionArn } = await rekognition.createProjectVersion({
    ProjectArn,
    VersionName: "v1",
    OutputConfig: { S3Bucket: bucket, S3KeyPrefix: `${project}/output` },
    TrainingData: { Assets: [{ GroundTruthManifest: location }] },
    TestingData: { AutoCreate: true },
  });
  await waitUntilProjectVersionTrainingCompleted(patience, { ProjectArn, VersionNames: ["v1"] });
  return { ProjectArn, ProjectVersionArn };
}

async function detected(ProjectVersionArn, lines, last) {
  const found = {};
  for (const [key, label] of lines) {
    const bytes = readFileSync(join(folder, label, key.split("/").pop()));
    const image = label === last ? { S3Object: { Bucket: bucket, Name: key } } : { Bytes: bytes };
    const { CustomLabels } = await rekognition.detectCustomLabels({ ProjectVersionArn, Image: image, MaxResults: 1 });
    found[key] = CustomLabels.map(({ Name, Confidence }) => [Name, Confidence]);
  }
  return found;
}

async function main() {
  const { key, lines } = await upload();
  const { ProjectArn, ProjectVersionArn } = await trained(key);
  await rekognition.startProjectVersion({ ProjectVersionArn, MinInferenceUnits: 5 });
  await waitUntilProjectVersionRunning(patience, { ProjectArn, VersionNames: ["v1"] });
  const found = await detected(ProjectVersionArn, lines, lines.at(-1)[1]);
  const { Status } = await rekognition.stopProjectVersion({ ProjectVersionArn });
  console.log(JSON.stringify({ found, Status }));
}

main();
