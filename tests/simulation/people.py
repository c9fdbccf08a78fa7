"""What people do in a history: upload, decide, roll back, inspect, review; whoever sees an error tries again."""

import base64
import html
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mlops import stack
from mlops.events import RetrainingRequested
from mlops.records import approvals, decisions, releases
from mlops.stage import StageRef
from tests.infrastructure import template
from tests.simulation.cloud import shown_by
from tests.simulation.pictures import bytes_of
from tests.simulation.plans import Action, Answer

if TYPE_CHECKING:
    from tests.simulation.play import Play

DATA, ARTIFACTS = template.BUCKETS["DataBucket"], template.BUCKETS["ArtifactsBucket"]
_AGAIN_AFTER, _MOST_TRIES, _MOST_PICTURES = 60, 20, 12


@dataclass
class Visit:
    """Somebody at the page of reviews: what the last page had in its form, and how many pictures they have seen."""

    token: str
    dataset: str
    reviewer: str
    chance: random.Random
    form: dict[str, Any] = field(default_factory=dict)
    seen: int = 0


class People:
    """Everybody who has to do with a stack, in one history."""

    def __init__(self, play: "Play") -> None:
        self._play = play
        self._answered = self._visits = self._put_so_far = 0
        # By approval, what the first page about it said.
        self.decided: dict[str, str] = {}
        self.rejected: set[str] = set()
        # By dataset, the token of the newest link to its reviews.
        self.links: dict[str, str] = {}
        # By dataset and digest, the answer that the last page said to have kept.
        self.kept: dict[tuple[str, str], str] = {}
        # By key below inspect/, how often somebody dropped it.
        self.dropped: dict[str, int] = {}
        # Runs whose training somebody asked for again.
        self.repeated: list[str] = []
        self.states: list[dict[str, str]] = []
        # What a second person does with a link at the very moment at which the first decides.
        self.disputes: dict[str, Callable[[], None]] = {}

    def act(self, action: Action) -> None:
        """Do what the plan says."""
        play = self._play
        play.tell(str(action).split(" ", 1)[1])
        acts = {
            "upload": lambda: self._upload(action, 0),
            "inspect": lambda: self._upload(action, 0),
            "delete": lambda: self._delete(action),
            "roll back": lambda: self._roll_back(action),
            "forge": lambda: self._forge(action),
            "repeat": lambda: self._repeat(action),
            "stop": lambda: self._stop(action),
            "review": lambda: self._visit(action),
            "retrain": lambda: self._put("Retraining Requested", RetrainingRequested(action.dataset).as_detail()),
        }
        acts[action.what]()

    # ------------------------------------------------------------ files
    def _upload(self, action: Action, place: int) -> None:
        key, content = action.keys[place], action.contents[place]
        folder = "inspect" if action.what == "inspect" else "datasets"
        whole = f"{folder}/{action.dataset}/{key}"
        if folder == "inspect":
            self.dropped[whole] = self.dropped.get(whole, 0) + 1
        self._play.objects.put_object(DATA, whole, bytes_of(content))
        if place + 1 == len(action.keys):
            self._note_state(action.dataset)
        elif action.number:
            self._play.later(action.number, lambda: self._upload(action, place + 1))
        else:
            self._upload(action, place + 1)

    def _delete(self, action: Action) -> None:
        for key in action.keys:
            if f"datasets/{action.dataset}/{key}" in self._play.objects.present(DATA):
                self._play.objects.delete_object(DATA, f"datasets/{action.dataset}/{key}")
        self._note_state(action.dataset)

    def _note_state(self, dataset: str) -> None:
        prefix = f"datasets/{dataset}/"
        present = self._play.objects.present(DATA)
        self.states.append({key: version.etag for key, version in present.items() if key.startswith(prefix)})

    def _repeat(self, action: Action) -> None:
        for run in self._play.runs_of(action.dataset)[-1:]:
            key = f"runs/{run.run_id}/training_input.json"
            if text := self._play.objects.text(ARTIFACTS, key):
                self.repeated.append(run.run_id)
                self._play.objects.put_object(ARTIFACTS, key, text.encode())

    def _stop(self, action: Action) -> None:
        running = self._play.labels.of("RUNNING")
        for arn in sorted(arn for arn in running if f"/{action.dataset}-" in arn)[:1]:
            self._play.labels.stop_project_version(arn)

    # ------------------------------------------------------------ decisions
    def read_mail(self, subject: str, text: str) -> None:
        """A mail has come; what is behind its link is for whoever reads it."""
        if found := re.search(r"/(approval|review)\?token=([\w-]+)", text):
            if found[1] == "approval":
                self._get_link(found[2], subject.rsplit(" ", 1)[-1])
            elif named := re.search(r" of (\S+) to look at", subject):
                self._get_review_link(found[2], named[1])

    def _get_link(self, token: str, run_id: str) -> None:
        answers = self._play.plan.answers
        answer = answers[self._answered] if self._answered < len(answers) else Answer()
        self._answered += 1
        if answer.verdict == "ignore":
            return
        form = (token, answer.verdict, "Ada", run_id[-6:])
        most = _MOST_TRIES if answer.is_patient else 0
        self._play.later(answer.after, lambda: self.decide(*form, most))
        if answer.is_disputed:
            other = "reject" if answer.verdict == "approve" else "approve"
            self.disputes[token] = lambda: self.decide(token, other, "Bo", run_id[-6:])

    def decide(self, token: str, verdict: str, approver: str, confirmation: str, most: int = _MOST_TRIES) -> None:
        """Send the form; somebody who sees an error page sends it again, so many times at most."""
        play = self._play
        play.tell(f"{approver} sends the form: {verdict} {confirmation}")
        sent = {"decision": verdict, "approver": approver, "confirmation": confirmation, "comment": ""}
        answer = self._ask("approval", "POST", token, sent)
        if answer is None:
            if most:
                play.later(_AGAIN_AFTER, lambda: self.decide(token, verdict, approver, confirmation, most - 1))
            return
        name = approvals.name_of(token)
        state = play.table.row(name, "APPROVAL").get("state", "") if answer["statusCode"] == 200 else ""
        play.tell(f"{approver} sees status {answer['statusCode']} {state}")
        if state and self.decided.setdefault(name, state) != state:
            play.blame("the first decision wins", f"{approver} was shown {state}, somebody else {self.decided[name]}")

    def _roll_back(self, action: Action) -> None:
        task = self._play.plan.account.tasks[action.number % len(self._play.plan.account.tasks)]
        environment = ("production", "staging")[action.number % 2]
        history = releases.history(action.dataset, task, environment)
        current = releases.current(action.dataset, task, environment)
        others = sorted({r.run_id for r in history if not current or r.run_id != current.run_id})
        if not others:
            return
        ref = StageRef(others[action.number // 2 % len(others)], action.dataset, task, "rollback", environment)
        name = decisions.new_rollback(ref)
        decisions.note(ref, name, "Grace", "worse", is_rollback=True)
        detail = {**ref.as_detail(), "decision": name}
        del detail["stage"]
        self._put("Model Rollback Requested", detail)

    def _forge(self, action: Action) -> None:
        """Put an event that claims what nobody decided."""
        known = self._play.runs_of(action.dataset)
        if not known:
            return
        run, environment = known[action.number % len(known)], ("staging", "production")[action.number // 8 % 2]
        stage = (f"approve2{environment}", "inference_test")[action.number // 16 % 2]
        facts = {"run_id": run.run_id, "dataset": run.dataset, "task": run.task, "environment": environment}
        claimed = ("", "APPROVAL#none", "ROLLBACK#production#none")[action.number % 3]
        match action.number % 5:
            case 0:
                self._put("Pipeline Stage Completed", {**facts, "stage": "inference_test"})
            case 1:
                self._put("Model Rollback Requested", {**facts, "decision": claimed})
            case 2:
                self._put("Model Approval Decided", {**facts, "target": environment, "approval": claimed})
            case _:
                self._put("Pipeline Stage Retry", {**facts, "stage": stage, "decision": claimed})

    def _put(self, kind: str, detail: dict[str, Any]) -> None:
        self._put_so_far += 1
        event = {"id": f"person-{self._put_so_far}", "source": stack.SOURCE, "detail-type": kind, "detail": detail}
        self._play.put_on_bus({**event, "resources": [template.STACK_ID]})

    # ------------------------------------------------------------ reviews
    def _visit(self, action: Action) -> None:
        if token := self.links.get(action.dataset):
            self._begin(token, action.dataset, f"{self._play.plan.seed} {action.at}")

    def _get_review_link(self, token: str, dataset: str) -> None:
        # The mail of a day: one person opens its link, and sometimes a second one at the same time.
        self.links[dataset] = token
        chance = random.Random(f"{self._play.plan.seed} {dataset} {self._play.now // 3600}")
        for number in range(chance.choice([0, 1, 1, 2])):
            name = f"{self._play.plan.seed} {dataset} {number}"
            self._play.later(chance.choice([60, 300]), lambda name=name: self._begin(token, dataset, name))

    def _begin(self, token: str, dataset: str, seed: str) -> None:
        self._visits += 1
        visit = Visit(token, dataset, f"reviewer {self._visits}", random.Random(seed))
        self._play.tell(f"{visit.reviewer} opens the reviews of {dataset}")
        if self._ask("review", "GET", token, {}) is not None:
            self._send(visit, {"answer": "begin", "reviewer": visit.reviewer})

    def _send(self, visit: Visit, form: dict[str, Any], tries: int = 0) -> None:
        play = self._play
        answer = self._ask("review", "POST", visit.token, form)
        if answer is None:
            if tries < _MOST_TRIES:
                play.later(_AGAIN_AFTER, lambda: self._send(visit, form, tries + 1))
            return
        page = answer["body"]
        if "Kept: " in page and form.get("review"):
            self.kept[visit.dataset, form["review"]] = form["answer"]
            play.tell(f"{visit.reviewer} sees that {form['answer']} is kept about {form['review'][:8]}")
        visit.form = {name: html.unescape(value) for name, value in re.findall(_HIDDEN, page)}
        if "review" not in visit.form or visit.seen >= _MOST_PICTURES:
            return
        visit.seen += 1
        # Longer than anybody keeps a picture for oneself, now and then.
        pause = visit.chance.choice([5, 20, 20, 60, 700])
        following = self._filled(visit, re.findall(r'name="keep" value="(\d+)"', page))
        play.later(pause, lambda: self._send(visit, following))

    def _filled(self, visit: Visit, keep: list[str]) -> dict[str, Any]:
        """The form with an answer: the truth mostly, for models learn from it."""
        truth = self._truth_of(visit.form["review"], visit.dataset)
        answer = "normal" if truth == "normal" else f"label:{truth}"
        others = ["unknown", "skip", "back"] if visit.form.get("trail") else ["unknown", "skip"]
        if visit.chance.random() < 0.2:
            answer = visit.chance.choice(others)
        return {**visit.form, "answer": answer, "keep": keep}

    def _truth_of(self, digest: str, dataset: str) -> str:
        picture = self._play.table.row(f"REVIEW#{dataset}#{digest}", "REVIEW")["picture"]
        return shown_by(self._play.objects.present(ARTIFACTS)[picture].data or b"")

    # ------------------------------------------------------------ pages
    def _ask(self, function: str, method: str, token: str, form: dict[str, Any]) -> dict[str, Any] | None:
        """What a page answers; None where it fails."""
        http = {"method": method, "sourceIp": "198.51.100.7", "path": f"/{function}"}
        event: dict[str, Any] = {"requestContext": {"http": http}, "queryStringParameters": {"token": token}}
        if method == "POST":
            body = urlencode({**form, "token": token}, doseq=True)
            event |= {"body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}
        answer = self._play.answer_of(function, event, about=token)
        return answer if answer is not None and answer["statusCode"] < 500 else None


_HIDDEN = r'<input type="hidden" name="(\w+)" value="([^"]*)">'
