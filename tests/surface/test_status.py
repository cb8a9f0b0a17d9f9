from dataclasses import replace
from datetime import timedelta
from functools import partial

import msgspec

from lhbackupd.core.cluster import Fault, FaultKind, Node, Setting
from lhbackupd.core.coverage import Cover
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Exclude, Match, Mode, Outcome, Phase, Policy
from lhbackupd.core.recurring import NativeJob, membership
from lhbackupd.core.rpo import Rpo
from lhbackupd.core.spread import offset
from lhbackupd.engine.events import Moved
from lhbackupd.engine.inventory import Picture
from lhbackupd.surface.health import unready
from lhbackupd.surface.report import PolicyObjective, Report, Totals
from lhbackupd.surface.standing import Standing, Wait
from lhbackupd.surface.status import Recent, report
from tests.surface.house import HOURLY, NIGHTLY, NOON, TODAY, House, ended, queued, running, volume


def test_a_report_survives_json(house: House) -> None:
    house.has(volume("pvc-a"), volume("pvc-b"))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    house.keeper.active["x"] = running("pvc-a")
    house.keeper.waiting["y"] = queued("pvc-b")
    house.recent(Moved(None, ended("pvc-a", Outcome.COMPLETED)))
    made = house.report()
    raw = msgspec.json.encode(made)
    assert msgspec.json.decode(raw, type=Report) == made
    assert msgspec.json.decode(raw)["version"] == 1


def test_volumes_count_once_where_they_stand_worst(house: House) -> None:
    house.has(*(volume(f"pvc-{name}") for name in ("ok", "new", "off", "bad", "db")))
    house.has(volume("pvc-db"), policy=HOURLY)
    house.look(volumes={**house.inventory.picture.volumes, "pvc-dev": volume("pvc-dev", pvc_namespace="dev")})
    house.knows(
        ended("pvc-ok", Outcome.COMPLETED),
        ended("pvc-off", Outcome.SUSPENDED),
        ended("pvc-bad", Outcome.FAILED),
        ended("pvc-db", Outcome.COMPLETED),
        replace(ended("pvc-db", Outcome.FAILED), policy="hourly"),
    )
    made = house.report()
    assert made.totals == Totals(protected=1, unprotected=1, suspended=1, failing=2, uncovered=1)
    assert [row.standing for row in made.volumes] == sorted(
        (row.standing for row in made.volumes), key=list(Standing).index
    )
    assert made.schedules == 6


def test_a_volume_whose_runs_do_not_end_is_no_longer_protected(house: House) -> None:
    house.has(volume("pvc-a"))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    house.clock.turn(36 * 3600)
    assert house.report().volumes[0].standing is Standing.PROTECTED
    house.clock.turn(3 * 3600)  # another 02:00 has passed
    row = house.report().volumes[0]
    assert row.standing is Standing.UNPROTECTED
    assert row.reason.startswith("overdue")
    assert row.protection == "protected only until 2026-10-22 02:00:00 UTC"


def test_volumes_without_a_schedule_are_named_with_the_reason(house: House) -> None:
    grouped = Policy(name="grouped", cron="@daily", match=Match(group=("gold",)))
    house.has(policy=grouped)
    house.look(
        volumes={name: volume(name, pvc_namespace=space) for name, space in (("pvc-a", "shop"), ("pvc-b", "dev"))},
        broken={"pvc-c": "no name"},
    )
    assert {row.volume: row.reason for row in house.report().uncovered} == {
        "pvc-a": "its schedule has not been made yet",
        "pvc-b": "its groups have not been read yet",
        "pvc-c": "Longhorn's entry for it makes no sense: no name",
    }
    house.look(groups={"pvc-b": membership()})
    assert house.report().uncovered[1].reason == "no policy matches it"


def test_a_running_run_is_shown_with_who_waits_for_it(house: House) -> None:
    house.has(volume("pvc-a"))
    house.keeper.active["x"] = running(
        "pvc-a", progress=40, waiter="pod shop/db-0", waiting_since=NOON - timedelta(seconds=12)
    )
    [run] = house.report().running
    assert (run.phase, run.progress, run.waiter) == (Phase.BACKING_UP, 40, "pod shop/db-0")
    assert run.since == TODAY + timedelta(seconds=8)
    assert run.ticket_since == TODAY + timedelta(seconds=1)
    house.keeper.active["x"] = running("pvc-a", ticket="", waiter="pod shop/db-0")
    [run] = house.report().running
    assert (run.waiter, run.ticket_since) == ("", None)


def test_waiting_runs_come_oldest_due_first(house: House) -> None:
    house.keeper.waiting["b"] = queued("pvc-b", reason="waits for run x of the same volume")
    house.keeper.waiting["a"] = queued("pvc-a", due=TODAY - timedelta(hours=1))
    assert [(run.volume, run.waits_for) for run in house.report().waiting] == [
        ("pvc-a", Wait.TURN),
        ("pvc-b", Wait.VOLUME),
    ]


def test_what_is_due_next_is_counted_by_policy(house: House) -> None:
    house.has(volume("pvc-a"), volume("pvc-db"))
    house.has(volume("pvc-db"), policy=HOURLY)
    found = [(due.policy, due.due, due.volumes) for due in house.report().next]
    assert found == [("hourly", NOON + timedelta(hours=1), 1), ("nightly", NOON + timedelta(hours=14), 2)]


def test_moments_of_a_spread_are_shown_and_count_as_one_due_time(house: House) -> None:
    spread = replace(NIGHTLY, spread=timedelta(hours=2))
    house.has(*(volume(f"pvc-{number}") for number in range(20)), policy=spread)
    tonight = NOON + timedelta(hours=14)
    dues = {row.volume: row.next_due for row in house.report().volumes}
    assert dues == {name: tonight + offset("nightly", name, spread.spread) for name in dues}
    [due] = house.report().next
    assert (due.policy, due.volumes) == ("nightly", 20)
    assert (due.due, due.until) == (min(dues.values()), max(dues.values()))
    # one moment is past, others are yet to come: those are still tonight's
    house.clock.turn((sorted(dues.values())[9] - NOON).total_seconds())
    assert [row.volumes for row in house.report().next] == [10, 10]


def test_with_a_spread_a_volume_is_overdue_by_its_own_moments(house: House) -> None:
    house.has(volume("pvc-a"), policy=replace(NIGHTLY, spread=timedelta(hours=2)))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    # its last run ended before today's own moment; tomorrow's makes that the one before the last
    own = TODAY + offset("nightly", "pvc-a", timedelta(hours=2))
    house.clock.turn((own + timedelta(days=1) - NOON).total_seconds() - 1)
    assert house.report().volumes[0].standing is Standing.PROTECTED
    house.clock.turn(2)
    assert house.report().volumes[0].standing is Standing.UNPROTECTED


def test_longhorn_is_not_reachable_before_the_first_poll_nor_after_a_fault(house: House) -> None:
    house.inventory.picture = Picture()
    assert not house.report().longhorn.reachable
    assert house.report().longhorn.setting is Setting.UNREAD
    house.look(at=NOON)
    assert house.report().longhorn.reachable
    house.look(fault=Fault(FaultKind.UNREACHABLE, "no route"), nodes={"n": Node(name="n", ready=False, message="gone")})
    shown = house.report().longhorn
    assert (shown.reachable, shown.fault) == (False, "no route")
    assert [(node.name, node.ready, node.message) for node in shown.nodes] == [("n", False, "gone")]


def test_an_address_is_shown_without_credentials(house: House) -> None:
    sources = replace(house.sources, url="https://me:secret@longhorn.example:8443/api?token=secret")
    assert report(sources).longhorn.url == "https://longhorn.example:8443/api"


def test_readiness_names_config_journal_and_scheduler(house: House) -> None:
    ready = partial(unready, keeper=house.keeper, clock=house.clock)
    assert ready() == ()
    house.clock.turn(29)
    assert ready() == ()
    house.clock.turn(2)
    house.keeper.books.trouble = "disk is full"
    assert ready(config=["policy.cron: bad"]) == (
        "configuration: policy.cron: bad",
        "journal: disk is full",
        "scheduler: its loop has not turned for 31 s",
    )
    made = house.report().daemon
    assert (made.ready, made.journal_trouble) == (False, "disk is full")
    assert made.last_turn == house.clock.now() - timedelta(seconds=31)


def test_recent_runs_are_the_last_ones_that_ended(house: House) -> None:
    recent = Recent(history=[ended("pvc-old", Outcome.COMPLETED)], limit=2)
    recent(Moved(None, queued("pvc-a")))
    for name in ("pvc-a", "pvc-b"):
        recent(Moved(running(name), ended(name, Outcome.COMPLETED)))
    assert [run.volume for run in recent.runs] == ["pvc-b", "pvc-a"]
    assert NIGHTLY.name in {run.policy for run in report(house.sources, recent.runs).recent}


def test_volumes_that_no_policy_backs_up_are_told_apart(house: House) -> None:
    job = NativeJob(name="daily", task="backup", cron="0 2 * * *", groups=("gold",))
    trial = replace(NIGHTLY, name="trial", match=Match(name=("pvc-trial", "pvc-ours")), mode=Mode.SHADOW)
    house.has(volume("pvc-ours"))
    house.has(volume("pvc-ours"), volume("pvc-trial", pvc_namespace="dev"), policy=trial)
    others = {f"pvc-{name}": volume(f"pvc-{name}", pvc_namespace="dev") for name in ("gold", "out", "bare")}
    gold = membership(groups=["gold"])
    house.look(
        volumes={**house.inventory.picture.volumes, **others},
        jobs=(job,),
        groups={**dict.fromkeys(house.inventory.picture.volumes, gold), **dict.fromkeys(others, membership())},
    )
    house.look(groups={**house.inventory.picture.groups, "pvc-gold": gold, "pvc-trial": membership()})
    out = Exclude(match=Match(name=("pvc-out",)), reason="made anew every night")
    lost = replace(NIGHTLY, name="lost", match=Match(name=("nowhere",)))
    rules = house.keeper.rules
    house.keeper.rules = replace(rules, excludes=(out,), policies={**rules.policies, "lost": lost})
    house.knows(ended("pvc-ours", Outcome.COMPLETED, protected_until=TODAY))
    made = house.report()
    assert {row.volume: row.cover for row in made.uncovered} == {"pvc-bare": Cover.NOTHING, "pvc-trial": Cover.SHADOW}
    assert {row.volume: row.reason for row in made.elsewhere} == {
        "pvc-gold": "no policy; Longhorn's recurring job daily backs it up",
        "pvc-out": "excluded: made anew every night",
    }
    assert made.totals == Totals(protected=1, unprotected=0, suspended=0, failing=0, uncovered=2, native=1, excluded=1)
    assert [(row.policy, row.standing, row.jobs) for row in made.volumes if row.volume == "pvc-ours"] == [
        ("trial", Standing.SHADOW, ("daily",)),
        ("nightly", Standing.PROTECTED, ("daily",)),
    ]
    assert made.unused == ("lost",)


def test_a_shadow_says_nothing_of_protection_it_had_as_an_active_policy(house: House) -> None:
    house.has(volume("pvc-a"), policy=replace(NIGHTLY, mode=Mode.SHADOW))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    [row] = house.report().volumes
    assert (row.standing, row.protection) == (Standing.SHADOW, "protected only until 2026-10-22 02:00:00 UTC")
    assert [row.cover for row in house.report().uncovered] == [Cover.SHADOW]


def test_a_volume_is_not_covered_before_anybody_has_looked(house: House) -> None:
    house.look(volumes={"pvc-a": volume("pvc-a")})
    [row] = report(house.sources).uncovered
    assert (row.cover, row.reason) == (Cover.UNKNOWN, "it has just been found")


def test_only_rows_that_something_new_is_known_of_are_made_anew(house: House) -> None:
    house.has(*(volume(f"pvc-{name}") for name in "abc"))
    house.knows(*(ended(f"pvc-{name}", Outcome.COMPLETED, protected_until=TODAY) for name in "abc"))
    sources = house.sources
    first = {row.volume: row for row in report(sources).volumes}
    house.knows(ended("pvc-b", Outcome.FAILED, "no space left"))
    second = {row.volume: row for row in report(sources).volumes}
    assert [name for name in first if second[name] is not first[name]] == ["pvc-b"]
    assert second["pvc-b"].reason == "failed: no space left"
    house.clock.turn(3 * 24 * 3600)
    assert {row.standing for row in report(sources).volumes if row.volume != "pvc-b"} == {Standing.UNPROTECTED}


def test_a_run_that_waits_leaves_its_volumes_row_alone_unless_it_comes_too_late_for_the_rpo(house: House) -> None:
    house.has(volume("pvc-fine"), volume("pvc-late"), policy=replace(NIGHTLY, rpo=timedelta(hours=26)))
    for name, since in (("fine", None), ("late", TODAY)):
        house.knows(ended(f"pvc-{name}", Outcome.COMPLETED, protected_until=TODAY))
        known = Exposure(policy="nightly", volume=f"pvc-{name}", born=TODAY, clear=TODAY, since=since, took=60)
        house.exposed(known)
    sources = house.sources
    first = {row.volume: row for row in report(sources).volumes}
    for name in ("fine", "late"):
        house.keeper.waiting[name] = queued(f"pvc-{name}", not_before=TODAY + timedelta(hours=26))
    second = {row.volume: row for row in report(sources).volumes}
    assert second["pvc-fine"] is first["pvc-fine"]
    assert (first["pvc-late"].rpo, second["pvc-late"].rpo) == (Rpo.COMPLIANT, Rpo.AT_RISK)


def test_what_shows_nothing_new_leaves_a_row_as_it_was(house: House) -> None:
    house.has(volume("pvc-a"))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    sources = house.sources
    (first,) = report(sources).volumes
    house.has(volume("pvc-a", size=2**40))
    (second,) = report(sources).volumes
    assert second is first


def test_rows_of_waiting_runs_are_made_anew_when_run_time_or_exposure_is_another(house: House) -> None:
    house.has(*(volume(f"pvc-{name}") for name in "abc"), policy=replace(NIGHTLY, rpo=timedelta(hours=26)))
    for name in "abc":
        house.keeper.waiting[name] = replace(queued(f"pvc-{name}"), id=name)
    house.keeper.waiting["b"] = replace(house.keeper.waiting["b"], not_before=NOON + timedelta(minutes=1))
    sources = house.sources
    first = {row.id: row for row in report(sources).waiting}
    assert list(first) == ["a", "b", "c"]
    assert first["b"].waits_for is Wait.TIME
    house.clock.turn(60)
    house.keeper.waiting["c"] = replace(house.keeper.waiting["c"], reason="waits for one of 2 places (limits.cluster)")
    house.exposed(Exposure(policy="nightly", volume="pvc-c", born=TODAY, since=TODAY - timedelta(hours=8)))
    second = {row.id: row for row in report(sources).waiting}
    assert list(second) == ["c", "a", "b"], "what was exposed first has to start first"
    assert second["a"] is first["a"]
    assert (second["b"].waits_for, second["c"].waits_for) == (Wait.TURN, Wait.CLUSTER)
    house.keeper.waiting.clear()
    assert report(sources).waiting == ()
    assert sources.shelf.queue == {}


def test_rows_that_are_kept_say_at_any_time_what_fresh_ones_would(house: House) -> None:
    promising = replace(NIGHTLY, rpo=timedelta(hours=26))
    house.has(*(volume(f"pvc-{name}") for name in ("still", "used", "doubt", "waits", "runs")), policy=promising)
    house.has(volume("pvc-db"), policy=replace(HOURLY, rpo=timedelta(hours=5)))
    for policy, name, since, doubt in (
        ("nightly", "still", None, None),
        ("nightly", "used", TODAY + timedelta(hours=1), None),
        ("nightly", "doubt", None, TODAY),
        ("nightly", "waits", TODAY, None),
        ("nightly", "runs", TODAY - timedelta(hours=3), TODAY - timedelta(hours=7)),
        ("hourly", "db", NOON, None),
    ):
        known = Exposure(policy=policy, volume=f"pvc-{name}", born=TODAY - timedelta(days=9), clear=TODAY, took=1800)
        house.exposed(replace(known, since=since, doubt=doubt))
        house.knows(replace(ended(f"pvc-{name}", Outcome.COMPLETED, protected_until=TODAY), policy=policy))
    house.keeper.waiting["w"] = queued("pvc-waits", not_before=NOON + timedelta(hours=3))
    house.keeper.active["r"] = running("pvc-runs")
    kept, seen = house.sources, set[tuple[str, Standing, str]]()
    for _ in range(3 * 24 * 6):
        found = report(kept).volumes
        assert found == report(house.sources).volumes
        seen |= {(row.volume, row.standing, row.rpo) for row in found}
        house.clock.turn(600)
    assert len(seen) > len(found) * 2


def test_rows_that_are_kept_are_made_anew_when_the_clock_was_set_back(house: House) -> None:
    house.has(volume("pvc-a"), policy=replace(NIGHTLY, rpo=timedelta(hours=26)))
    house.exposed(Exposure(policy="nightly", volume="pvc-a", born=TODAY, clear=TODAY, since=TODAY))
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    kept = house.sources
    house.clock.turn(3 * 24 * 3600)
    late = report(kept).volumes
    house.clock.turn(-3 * 24 * 3600)
    assert report(kept).volumes == report(house.sources).volumes != late


def test_rows_of_volumes_that_are_gone_are_forgotten(house: House) -> None:
    house.has(volume("pvc-a"), volume("pvc-b"))
    sources = house.sources
    report(sources)
    house.scheduler.sync({key: NIGHTLY for key in house.scheduler.schedules if key[1] != "pvc-a"})
    assert [row.volume for row in report(sources).volumes] == ["pvc-b"]
    assert list(sources.shelf.volumes) == [("nightly", "pvc-b")]


def objective(house: House) -> PolicyObjective:
    (found,) = house.report().objectives
    return found


def test_how_a_policys_volumes_stand_to_its_rpo_is_counted_with_the_one_that_is_worst(house: House) -> None:
    promised = replace(NIGHTLY, rpo=timedelta(hours=26))
    house.has(*(volume(f"pvc-{name}") for name in ("clear", "old", "older", "unknown")), policy=promised)
    for name, hours in (("clear", None), ("old", 3), ("older", 30)):
        since = NOON - timedelta(hours=hours) if hours else None
        house.exposed(Exposure(policy="nightly", volume=f"pvc-{name}", born=TODAY, clear=TODAY, since=since))
    assert objective(house) == PolicyObjective(
        policy="nightly", rpo=26 * 3600, compliant=2, violated=1, uncertain=1, worst="pvc-older",
        since=NOON - timedelta(hours=30),
    )  # fmt: skip


def test_a_policy_without_rpo_promises_nothing_and_a_shadow_is_not_asked(house: House) -> None:
    house.has(volume("pvc-a"))
    assert objective(house) == PolicyObjective(policy="nightly", rpo=None)
    house.has(volume("pvc-a"), policy=replace(NIGHTLY, rpo=timedelta(hours=26), mode=Mode.SHADOW))
    assert house.report().objectives == ()


def test_it_is_fine_as_long_as_nobody_has_to_see_to_anything(house: House) -> None:
    house.has(volume("pvc-a"), policy=replace(NIGHTLY, rpo=timedelta(hours=26)))
    assert not house.report().fine, "it was never backed up"
    house.knows(ended("pvc-a", Outcome.SUSPENDED))
    assert house.report().fine, "it is left alone by configuration"
    since = NOON - timedelta(hours=27)
    house.exposed(Exposure(policy="nightly", volume="pvc-a", born=TODAY, clear=TODAY, since=since, sign="attached"))
    assert house.report().volumes[0].standing is Standing.SUSPENDED
    assert not house.report().fine, "its RPO is violated"
    house.exposed(Exposure(policy="nightly", volume="pvc-a", born=TODAY, clear=NOON))
    house.look(fault=Fault(FaultKind.UNREACHABLE, "connection refused"))
    assert not house.report().fine, "nobody sees what Longhorn does"
    house.look(fault=None)
    assert house.report().fine
    house.look(volumes={**house.inventory.picture.volumes, "pvc-dev": volume("pvc-dev", pvc_namespace="dev")})
    assert not house.report().fine, "nobody backs pvc-dev up"
