"""A dataset of this system as it lies in the bucket: its annotation manifest, and folders of labels and masks."""

from cli.layouts import manifest, mvtec
from cli.layouts.collecting import Collector
from cli.layouts.files import Files
from mlops.pictures.looking import MaskRules


def recognises(files: Files) -> bool:
    return manifest.is_of_dataset(files)


def read(files: Files, rules: MaskRules) -> Collector:
    """What the lines of the manifest say, and of other pictures what their folders say."""
    collector = Collector(files)
    manifest.take(collector, manifest.OWN, rules)
    mvtec.take_folders(collector, rules)
    return collector
