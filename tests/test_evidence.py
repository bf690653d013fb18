"""Evidence: worlds hold what is planted in them, verdicts follow from intervals, a kill costs one arm."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from mien import cli
from mien.core.tasks import EXPRESSION
from mien.evaluation import studies
from mien.evaluation.studies import (
    duse_data,
    duse_order,
    duse_order_data,
    mvp,
    mvp_data,
    scpt_data,
    scpt_pulse,
    tables,
    verdicts,
)
from mien.evaluation.studies.experiment import ArmResult, Claim, EvidenceStudy, read_results, run_study
from mien.evaluation.studies.interventions import CHANGES

pytestmark = pytest.mark.slow


# --------------------------------------------------------------------------------------------------------------- worlds
def test_confound_is_in_training_people_and_not_in_test_people():
    drawn = scpt_data.draw(scpt_data.CONFOUND, 3, known=8, new=40, each=60, test_each=60)
    train, other, judged = ((batch.subject.numpy(), batch.target.numpy())
                            for batch in (drawn.train, drawn.other, drawn.test))

    def dependent(subject: np.ndarray, target: np.ndarray) -> float:
        return stats.chi2_contingency(np.histogram2d(subject, target, bins=(subject.max() + 1, 2))[0]).pvalue

    assert dependent(*train) < 1e-6
    assert dependent(*other) > 0.01
    assert dependent(*judged) > 0.01
    lean = scpt_data.CONFOUND.lean
    assert [float(train[1][train[0] % 2 == side].mean()) for side in (0, 1)] == pytest.approx([1 - lean, lean], abs=0.1)


def test_the_person_is_in_the_face_and_tells_the_class_in_training_but_not_in_the_test():
    drawn = scpt_data.draw(scpt_data.CONFOUND, 0, known=8, new=8, each=40, test_each=40)
    looks = drawn.train.frames.float().mean(dim=1).numpy()
    side = scpt_data.CONFOUND.patch
    flat = looks.reshape(len(looks), 3, -1, side, looks.shape[-1] // side, side)[:, :, 0, :, 0].reshape(len(looks), -1)
    subject, target = drawn.train.subject.numpy(), drawn.train.target.numpy()
    named = LogisticRegression(max_iter=500).fit(flat[::2], subject[::2]).score(flat[1::2], subject[1::2])
    guessed = (subject % 2 == target).mean()  # who it is, and nothing else
    assert named > 0.95
    assert guessed > 0.8
    later = drawn.test.subject.numpy()
    assert abs((later % 2 == drawn.test.target.numpy()).mean() - 0.5) < 0.1


def test_only_the_heart_rate_tells_of_arousal_and_its_peak_is_the_rate_planted():
    drawn = scpt_data.draw(scpt_data.PULSE, 1, known=6, new=6, each=20, test_each=20)
    target, bpm = drawn.train.target.numpy(), drawn.bpm[0]
    subject = drawn.train.subject.numpy()
    rises = [bpm[(subject == who) & (target == 1)].mean() - bpm[(subject == who) & (target == 0)].mean()
             for who in range(6)]
    assert np.mean(rises) == pytest.approx(20, abs=2)
    image = drawn.train.tfr[:, 0].mean(dim=2).numpy()
    read = 60 * np.geomspace(0.7, 4.0, image.shape[1])[image.argmax(axis=1)]
    assert np.median(np.abs(read - bpm)) < 3
    frames = drawn.train.frames.float().mean(dim=(1, 3, 4)).numpy()
    assert stats.ttest_ind(frames[target == 0], frames[target == 1]).pvalue.min() > 0.001


def test_noise_hides_the_rate_and_no_rate_is_changed():
    shares = []
    for noise in (0.0, 40.0):
        drawn = scpt_pulse._drawn(noise, "cwt", 5, replace(scpt_pulse.TINY, known=8, each=6, new=6, judged=10))
        shares.append([scpt_pulse.READINGS[name](drawn) for name in (scpt_pulse.RATE, scpt_pulse.PEAK)])
    (limit, clear), (same, hidden) = shares
    assert limit == same
    assert clear > 0.75
    assert hidden < clear - 0.1


@pytest.fixture(scope="module")
def some() -> mvp_data.SyntheticTrials:
    return mvp_data.trials(mvp_data.MvpWorld(False, 8.0), 0, 4, 12)


@pytest.fixture(scope="module")
def ordered() -> mvp_data.SyntheticTrials:
    return mvp_data.trials(mvp_data.MvpWorld(True, 4.0), 0, 25, 16)


def test_neither_event_alone_says_anything_and_both_together_all(some):
    smiled, responded, high = (value.numpy().astype(int) for value in (some.smiled, some.responded, some.target))
    assert np.array_equal(high, (smiled + responded) % 2)
    for alone in (smiled, responded):
        assert [high[alone == k].mean() for k in (0, 1)] == [0.5, 0.5]


def test_the_time_of_one_event_says_nothing_of_the_order_and_both_times_say_all(ordered):
    high = ordered.target.numpy() == 1
    for at in (ordered.face_at.numpy(), ordered.skin_at.numpy()):
        assert stats.ks_2samp(at[high], at[~high]).pvalue > 0.05
    lag = (ordered.skin_at - ordered.face_at).numpy() % mvp_data.PERIOD
    assert np.allclose(lag, np.where(high, 4.0, mvp_data.PERIOD - 4.0))


def test_the_events_are_where_the_trial_says(ordered):
    read = mvp_data.matched_filter(ordered)
    for at, planted in ((read.face_at, ordered.face_at), (read.skin_at, ordered.skin_at)):
        assert np.quantile(np.abs(at - planted.numpy()), 0.9) < 0.5


def test_another_order_keeps_every_patch_and_others_keep_the_label(some):
    rng = np.random.default_rng(0)
    mixed = mvp_data.shuffled_patches(some, mvp.SMALL, rng)
    assert torch.allclose(mixed.signals.sort(dim=-1).values, some.signals[..., :mixed.signals.shape[-1]].sort(
        dim=-1).values)
    assert torch.allclose(mixed.video.sum(dim=1), some.video.sum(dim=1), atol=1e-3)
    assert not torch.equal(mixed.signals, some.signals)
    swapped = mvp_data.exchanged_modality(some, "video", rng)
    assert torch.equal(swapped.signals, some.signals)
    assert torch.equal(swapped.target, some.target)
    assert not torch.equal(swapped.video, some.video)


@pytest.fixture(scope="module", params=duse_order.KINDS)
def in_order(request) -> tuple[str, duse_order_data.OrderedClips]:
    rng = np.random.default_rng(0)
    side = duse_order_data.SIDE
    return request.param, duse_order_data.draw_clips(request.param, rng, rng.standard_normal((3, 3, side, side)), 60)


def test_reversed_clips_are_clips_of_the_class_in_the_other_order(in_order):
    """So a model without order cannot tell the two classes from each other."""
    kind, clips = in_order
    assert np.bincount(clips.target.numpy()).tolist() == [10] * duse_order_data.CLASSES
    assert np.array_equal(duse_order_data.matched_filter(kind, clips), clips.target.numpy())
    turned = duse_order_data.matched_filter(kind, replace(clips, frames=clips.frames.flip(1)))
    partner = {"A then B": [duse_order_data.PAIRS.index(pair[::-1]) for pair in duse_order_data.PAIRS],
               "onset or offset": [label ^ 1 for label in range(duse_order_data.CLASSES)]}[kind]
    assert np.array_equal(turned, np.array(partner)[clips.target.numpy()])


def test_attention_is_counted_in_tokens():
    image, _, _ = duse_order_data.random_clip(np.random.default_rng(0))
    frames = torch.randint(0, 255, (1, 2, 3, duse_order_data.SIDE, duse_order_data.SIDE), dtype=torch.uint8)
    assert 1 < duse_order_data.attended_tokens(image, frames) < 1 + image.plan.patches
    with torch.no_grad():
        for block in image.blocks:
            block.attend.qkv.weight.zero_()
    assert duse_order_data.attended_tokens(image, frames) == pytest.approx(1 + image.plan.patches, rel=1e-4)


@pytest.fixture(scope="module")
def filmed() -> duse_data.SyntheticClips:
    return duse_data.render_clips(0, 2, 32)


def test_each_person_is_filmed_once_with_each_expression_that_stands_for_a_part_of_the_film(filmed):
    assert filmed.frames.shape == (14, duse_data.FRAMES, 3, 32, 32)
    assert filmed.target.tolist() == 2 * list(range(7))
    count = filmed.shown.sum(dim=1)
    neutral = filmed.target == EXPRESSION.classes.index("neutral")
    assert bool((count[neutral] == 0).all())
    assert duse_data.SHORTEST <= int(count[~neutral].min()) <= int(count.max()) <= duse_data.LONGEST


def test_frames_that_show_it_look_otherwise_than_those_before_and_after(filmed):
    """Where no mouth talks, frames at rest differ by the camera's noise alone."""
    result = []
    for film, shown in zip(filmed.frames.float(), filmed.shown, strict=True):
        if shown.any():
            rest = film[~shown]
            result.append(((film[shown].mean(dim=0) - rest.mean(dim=0)).abs().mean()
                          / (rest[0] - rest[-1]).abs().mean()).item())
    assert np.median(result) > 1


# --------------------------------------------------------------------------------------------------------------- models
def test_even_attention_is_even(some):
    torch.manual_seed(0)
    model = mvp.MVP(mvp.SMALL).eval()
    even = mvp.even(model)
    batch = mvp_data.cut_batch(some, torch.arange(4))
    with torch.no_grad():
        paid = even.infer(batch).face
        assert not torch.allclose(model.infer(batch).face, paid, atol=1e-4)
    assert paid is not None
    assert torch.allclose(paid, paid[:, :1].expand_as(paid), atol=1e-7)


def test_duse_changes_remove_their_part_and_no_other(in_order):
    _, clips = in_order
    world = duse_order.OrderWorld(clips, clips, duse_order_data.random_clip(np.random.default_rng(1)))
    model = duse_order.train_model(duse_order.DEFAULT, world, 0, replace(duse_order.TINY, steps=4, batch=6))
    frames = clips.frames[:6]
    with torch.no_grad():
        text, video, first = model.text_features(), model.frame_features(frames), model.infer(frames)
        changed = {name: change(copy.deepcopy(model)) for name, change in CHANGES.items()}
        assert torch.equal(model.infer(frames).logits, first.logits)
        same_text = {name for name, other in changed.items() if torch.equal(other.text_features(), text)}
        same_video = {name for name, other in changed.items() if torch.equal(other.frame_features(frames), video)}
        results = {name: other.infer(frames) for name, other in changed.items()}
    assert set(CHANGES) - same_text == {"text prompts zeroed"}
    assert set(CHANGES) - same_video == {"visual prompts zeroed", "sinusoid zeroed"}
    assert [name for name, result in results.items() if torch.equal(result.logits, first.logits)] == []
    even = results["equal frame weights"].frames
    assert torch.allclose(even, torch.full_like(even, 1 / duse_order_data.FRAMES))
    assert results["mean of frames instead of LSEA"].classes is None


# ------------------------------------------------------------------------------------------------------------ verdicts
def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(2, 1, 5)
    low, high = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    result = verdicts.interval(values.tolist())
    assert (result.mean - result.half, result.mean + result.half) == pytest.approx((low, high))


@pytest.mark.parametrize(("values", "verdict"), [
    ([0.1, 0.11, 0.12], "above"), ([-0.1, -0.11, -0.12], "below"), ([0.1, -0.1, 0.3], "not shown"),
    ([0.0, 0.0, 0.0], "the same"), ([0.2], "not shown (a single seed)"), ([0.2, 0.2, 0.2], "above")])
def test_a_verdict_follows_from_the_interval(values, verdict):
    assert verdicts.interval(values).verdict == verdict


def result_of(first: list[float], second: list[float], ceiling: float = 1.0, **claim: object) -> verdicts.StudyResult:
    """The result of one claim about two arms."""
    chosen = Claim("a against b", ("a", "new"), ("b", "new"), **claim)
    study = replace(TOY, claims=(chosen,))
    values = {"a": {"new": first}, "b": {"new": second}, "best": {"new": [ceiling] * len(first)}}
    return studies.study_results(ArmResult(study, tuple(range(len(first))), False, 1.0, values))[0]


ROOM = (("best", "new"), ("b", "new"))


def test_a_claim_is_tested_only_where_there_is_room():
    higher, lower = [0.90, 0.91, 0.92], [0.86, 0.88, 0.87]
    assert result_of(higher, lower).verdict == "above"
    assert result_of(higher, lower, 0.99, room=ROOM).verdict == "above"
    assert result_of(higher, lower, 0.91, room=ROOM).verdict == verdicts.UNTESTABLE  # a gap of four points
    assert result_of(lower, higher, 0.91, room=ROOM).verdict == "below"  # a refutation needs no room above
    wide = result_of([0.9, 0.9, 0.9], [0.99, 0.5, 0.9], 1.0, room=ROOM)
    assert wide.gap.mean > verdicts.ROOM
    assert wide.verdict == verdicts.UNTESTABLE  # 20 points of room on average, but not shown


def test_bimodal_arms_are_compared_by_counts():
    good, mixed = [0.99] * 8, [0.5, 0.51, 0.98, 0.5, 0.49, 0.97, 0.5, 0.5]
    result = result_of(good, mixed, solved=0.75)
    expected = stats.fisher_exact(np.array([[8, 0], [2, 6]])).pvalue
    assert (result.solved.first, result.solved.second, result.solved.split) == (8, 2, True)
    assert result.solved.p == pytest.approx(expected)
    assert result.verdict == "above"
    assert result_of(mixed, good, solved=0.75).verdict == "below"
    few = result_of(good[:3], mixed[1:4], solved=0.75)
    assert few.solved.split
    assert few.verdict == "not shown"
    assert few.gap is None
    assert result_of(good[:3], mixed[1:4], solved=0.75, room=ROOM).verdict == "not shown"  # not: cannot be tested
    near = result_of([0.80, 0.81, 0.82], [0.74, 0.76, 0.75], solved=0.75)  # on both sides, but not two groups
    assert not near.solved.split
    assert near.verdict == "above"


def test_a_margin_is_added_before_the_verdict():
    higher, lower = [0.90, 0.91, 0.92], [0.885, 0.894, 0.905]
    assert result_of(lower, higher).verdict == "below"
    close = result_of(lower, higher, margin=0.03)
    assert close.verdict == "above"
    assert close.difference.mean == pytest.approx(-0.0153, abs=1e-3)  # the effect is shown without it
    assert result_of([value - 0.05 for value in lower], higher, margin=0.03).verdict == "below"


def reported(arm: str, seed: int, tiny: bool, shared: Path) -> dict[str, float]:
    """Stands in for a training; leaves a note that it ran."""
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / "ran.txt").open("a", encoding="utf-8") as file:
        file.write(f"{arm} {seed}\n")
    if (shared / "stop").exists() and arm == "b":
        raise ValueError("stopped")
    return {"new": {"a": 0.8, "b": 0.6}[arm] + 0.01 * seed}


def sizes(tiny: bool) -> dict[str, int]:
    return {"steps": 1 if tiny else 2}


TOY = EvidenceStudy("toy", "A toy", "Nothing  is\nplanted.", {"a": "all", "b": "all"},
            (Claim("a against b", ("a", "new"), ("b", "new")), Claim("b against chance", ("b", "new"), 0.5)),
            sizes, reported, marks={"new": 0.5})


def test_differences_are_taken_seed_by_seed(tmp_path):
    values = {"a": {"new": [0.5, 0.7, 0.9]}, "b": {"new": [0.4, 0.6, 0.81]}}
    first, second = studies.study_results(ArmResult(TOY, (0, 1, 2), False, 60.0, values))
    assert first.difference.mean == pytest.approx(0.29 / 3)
    assert first.difference.verdict == "above"  # although each side alone spans 0.4 and more
    assert second.difference.verdict == "not shown"
    assert first.row[:4] == ["A against b", "above", "70.0", "60.3"]
    assert first.row[4].startswith("+9.7 (+8.")


def test_a_stopped_study_goes_on_with_the_arms_that_are_left(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/stop").touch()
    with pytest.raises(ValueError, match="stopped"):
        run_study(TOY, tmp_path, seeds=2)
    (tmp_path / "shared/stop").unlink()
    result = run_study(TOY, tmp_path, seeds=2)
    ran = (tmp_path / "shared/ran.txt").read_text().split("\n")
    assert ran.count("a 0") == 1
    assert ran.count("b 0") == 2
    assert result.values == {"a": {"new": [0.8, 0.81]}, "b": {"new": [0.6, 0.61]}}
    assert read_results(TOY, tmp_path, (0, 1)).values == result.values
    run_study(TOY, tmp_path, seeds=3)
    assert len((tmp_path / "shared/ran.txt").read_text().split()) == 2 * (len(ran) - 1) + 4
    with pytest.raises(ValueError, match="name another folder"):
        run_study(TOY, tmp_path, seeds=3, tiny=True)


def test_arms_that_were_not_run_are_said_to_be_so(tmp_path):
    result = run_study(TOY, tmp_path, seeds=2, arms=["b"])
    assert list(result.values) == ["b"]
    compared, alone = studies.study_results(result)
    assert compared.verdict == verdicts.NOT_RUN
    assert compared.row == ["A against b", "not run", "", "", "", "", ""]
    assert alone.verdict == "above"
    assert "| a | not run |" in tables.markdown(result)
    tables.write_page(result, tmp_path)
    findings = json.loads((tmp_path / "scores.json").read_text())["findings"]
    assert findings[0] == {"claim": "a against b", "verdict": "not run"}
    assert set(run_study(TOY, tmp_path, seeds=2).values) == {"a", "b"}


def test_the_claims_of_every_study_name_arms_that_there_are():
    for study in studies.EVIDENCE.values():
        named = {side[0] for claim in study.claims for side in (claim.first, claim.second, *(claim.room or ()))
                 if isinstance(side, tuple)}
        assert named <= set(study.arms), study.name
        assert len({claim.text for claim in study.claims}) == len(study.claims)


@pytest.fixture(scope="module")
def tried(tmp_path_factory) -> Path:
    """Every study for one seed of a few steps, by the command."""
    place = tmp_path_factory.mktemp("evidence")
    done = CliRunner().invoke(cli.app, ["bench", "evidence/all", "--tiny", "--seeds", "1", "--out", str(place / "run"),
                                        "--page", str(place / "page.md")])
    assert done.exit_code == 0, done.output
    assert "single seed" in done.stdout
    return place


def test_the_page_is_made_from_the_folders(tried):
    page = (tried / "page.md").read_text(encoding="utf-8")
    assert page.index("not the papers' results") < page.index("## ")
    first = page[page.index("## What we expected"):page.index(f"## {next(iter(studies.EVIDENCE.values())).title}")]
    expected = [claim.text for study in studies.EVIDENCE.values() for claim in study.claims if claim.expected]
    assert re.findall(r"^\| (.*?) \|", first, re.M)[1:] == [text[:1].upper() + text[1:] for text in expected]
    for name, study in studies.EVIDENCE.items():
        scores = json.loads((tried / "run" / name / "scores.json").read_text())
        assert [item["claim"] for item in scores["findings"]] == [claim.text for claim in study.claims]
        for claim in study.claims:
            assert re.search(rf"^\| {re.escape(claim.text)} \| (not shown|the same)", page, re.M | re.I), claim.text
        lines = (tried / "run" / name / "table.csv").read_text().splitlines()
        assert len(lines) == 1 + sum(map(len, scores["values"].values()))
        assert study.title in (tried / "run" / name / "table.md").read_text()
    again = tried / "again.md"
    named = studies.collect(tried / "run", again)
    assert named == list(studies.EVIDENCE)
    assert again.read_text() == page
    (tried / "run" / named[0] / "scores.json").rename(tried / "hidden.json")
    studies.collect(tried / "run", again)
    assert f"| `mien bench evidence/{named[0]}` | not run |" in again.read_text()
    (tried / "hidden.json").rename(tried / "run" / named[0] / "scores.json")


def test_a_method_names_all_its_studies():
    names = [[study.name for study in studies.find_studies(name)] for name in ("duse", "duse-faces", "scpt", "mvp")]
    assert names == [["duse-order", "duse-faces"], ["duse-faces"], ["scpt-pulse", "scpt-identity"], ["mvp"]]


def test_the_published_page_has_the_words_of_the_generator():
    page = (Path(__file__).parents[1] / "docs/evidence.md").read_text(encoding="utf-8")
    words = tables.GOAL, tables.NOT_THE_PAPERS, tables.READING, tables.GATE, tables.DECIDED
    assert [text for text in words if text not in page] == []
    for study in studies.EVIDENCE.values():
        if f"| `mien bench evidence/{study.name}` | not run |" in page:
            assert f"\n## {study.title}\n" not in page
            continue
        assert f"\n## {study.title}\n\n{' '.join(study.world.split())}\n" in page
        part = page.split(f"\n## {study.title}\n")[1].split("\n## ")[0]
        scores, compared = (re.findall(r"^\| (.*?) \|", text, re.M) for text in part.split("### Findings"))
        expected = [line for group in dict.fromkeys(study.arms.values())
                    for line in (group, *(arm for arm, side in study.arms.items() if side == group), "chance")]
        assert scores == expected, study.name
        assert compared[1:] == [claim.text[:1].upper() + claim.text[1:] for claim in study.claims]


@pytest.mark.parametrize(("arguments", "expected"), [
    (["evidence/other"], "expected one of evidence/duse-order"), (["evidence/mvp", "--data", "."], "no --data"),
    (["evidence/mvp", "--set", "a=b"], "no --set"), (["evidence/mvp", "--device", "cuda"], "no --device"),
    (["evidence/duse", "--parallel", "2"], "no --parallel"), (["duse/dfew", "--page", "x.md"], "no --page")])
def test_bench_evidence_refuses_bad_arguments(arguments, expected, tmp_path):
    done = CliRunner().invoke(cli.app, ["bench", *arguments, "--out", str(tmp_path / "run")])
    assert done.exit_code == 1
    assert expected in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_page_of_nothing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="evidence/all first"):
        studies.collect(tmp_path, tmp_path / "page.md")
