"""The lines of the short report that tell of groups, and of rejected rows."""

from pipeline.cli.flags import DEFAULT_JOURNAL
from pipeline.cli.summary import one_line, rejects_hint, summary
from pipeline.core.geometry import Box
from pipeline.core.labels import Group, LabelRow, ObjectInstance, Occurrence
from pipeline.core.losses import Loss, LossKind
from pipeline.core.rows import PackedRow, Place, RowKey
from pipeline.events import BundleDone, GroupsChanged, RowRejected, RowsSettled
from pipeline.report import Report


def lines(report: Report) -> list[str]:
    return [line for line in summary(report) if line.startswith("  groups")]


def test_the_report_counts_groups_by_what_became_of_their_rows() -> None:
    report = Report()
    report.add(GroupsChanged(made=1200, discarded=0))
    report.add(GroupsChanged(made=34, discarded=5))
    report.add(BundleDone("b1", 90, 1, 450, 1200))
    report.add(BundleDone("b2", 10, 0, 50, 30))
    report.add(RowsSettled("unchanged", 3, 9, 3))
    report.add(RowRejected("k", "t", "save", "why", 5, 4))
    assert lines(report) == ["  groups    1,230 saved, 3 unchanged, 4 rejected, 1,234 made, 5 discarded"]
    found = report.to_json()
    assert found["groups"] == {"saved": 1230, "unchanged": 3, "rejected": 4}
    assert (found["groups_made"], found["groups_discarded"]) == (1234, 5)


def test_a_run_without_groups_says_nothing_of_them() -> None:
    report = Report()
    report.add(BundleDone("b1", 90, 1, 450))
    assert lines(report) == []
    assert report.to_json()["groups"] == {"saved": 0}


def test_a_group_that_is_lost_is_not_counted_as_saved() -> None:
    objects = tuple(ObjectInstance(name, "car", {0: Occurrence(Box(1, 1, 2, 2))}) for name in "abcd")
    groups = (Group("g", ("a", "b")), Group("h", ("c", "d")), Group("i", ("b", "c")))
    row = LabelRow("k", objects=objects, groups=groups)

    def packed(*losses: tuple[LossKind, str | None]) -> PackedRow:
        found = tuple(Loss("k", name, what, "") for what, name in losses)
        return PackedRow(RowKey("k", 0), Place("k"), b"", 4, "", losses=found, row=row)

    group = LossKind.GROUP
    assert packed().groups == 3
    assert packed((LossKind.HOLES, "a"), (LossKind.HOLES, "b")).groups == 3
    assert packed((group, None), (group, None)).groups == 1
    assert packed((group, "b"), (group, "c")).groups == 2
    assert packed(*((group, name) for name in "abcd")).groups == 0
    assert PackedRow(RowKey("k", 0), Place("k"), b"", 4, "").groups == 0


def test_a_group_of_which_no_object_arrives_is_not_counted_as_saved() -> None:
    objects = tuple(ObjectInstance(name, "car", {0: Occurrence(Box(1, 1, 2, 2))}) for name in "abc")
    row = LabelRow("k", objects=objects, groups=(Group("g", ("a", "b")), Group("h", ("b", "c"))))

    def packed(*gone: str) -> PackedRow:
        found = tuple(Loss("k", name, LossKind.SHAPE, "") for name in gone)
        return PackedRow(RowKey("k", 0), Place("k"), b"", 3 - len(gone), "", losses=found, row=row)

    assert packed("a").groups == 2
    assert packed("a", "b").groups == 1
    assert packed("a", "b", "c").groups == 0


def test_a_title_cannot_break_a_line_or_steer_the_terminal() -> None:
    assert one_line("a\nb\tc\x1b[2J\u202egpj \ud800é 車") == "a\\nb\\tc\\x1b[2J\\u202egpj \\ud800é 車"
    report = Report()
    report.add(RowRejected("k\n", "t\x1b[1m", "save", "why\nso\x07", 1))
    [told, _] = rejects_hint(report, DEFAULT_JOURNAL)
    assert told == "  rejected  row k\\n (t\\x1b[1m) at save: why so\\x07"
