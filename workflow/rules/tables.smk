# Names and helper functions shared by the rules of a study of a published table; no rules.
from pesforge.published.settings import SPLITS
from pesforge.published.sources import url_of


def label_files(element):
    """Files of the labels of an element by split: local ones, or those that `fetch_labels` writes."""
    if LOADED.files is None:
        return {split: f"{OUT}/fetch/{element}_{split}.json" for split in SPLITS}
    return {split: str(path) for split, path in LOADED.files[element].items()}


PUBLISHED = STUDY.published
ELEMENTS = list(PUBLISHED.elements)
TARGETS = [
    f"{OUT}/report/index.html",
    f"{OUT}/report/table.csv",
    *(f"{OUT}/evidence/{name}.json" for name in ("published", "cost", "provenance")),
]
OPENING = f"fits of {', '.join(ELEMENTS)} on {PUBLISHED.data_set}, beside the published errors"
