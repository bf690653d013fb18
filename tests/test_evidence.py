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
from mien.core.tasks import ACTION_UNITS, EXPRESSION
from mien.evaluation import studies
from mien.evaluation.studies import duse, duse_data, mvp, mvp_data, scpt, scpt_data, tables
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
    assert [round(float(train[1][train[0] % 2 == lean].mean()), 1) for lean in (0, 1)] == [0.1, 0.9]


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


def test_the_images_of_other_windows_are_the_same_images_elsewhere():
    drawn = scpt_data.draw(scpt_data.PULSE, 1, known=2, new=2, each=10, test_each=10)
    mixed = scpt_data.other_images(drawn.test, np.random.default_rng(0))
    assert torch.equal(mixed.frames, drawn.test.frames)
    assert not torch.equal(mixed.tfr, drawn.test.tfr)
    assert sorted(mixed.tfr.sum(dim=(1, 2, 3)).tolist()) == sorted(drawn.test.tfr.sum(dim=(1, 2, 3)).tolist())


@pytest.fixture(scope="module")
def some() -> mvp_data.SyntheticTrials:
    return mvp_data.trials(0, 4, 12)


def test_neither_event_alone_says_anything_and_both_together_all(some):
    smiled, responded, high = (value.numpy().astype(int) for value in (some.smiled, some.responded, some.target))
    assert np.array_equal(high, (smiled + responded) % 2)
    for alone in (smiled, responded):
        assert [high[alone == k].mean() for k in (0, 1)] == [0.5, 0.5]


def test_the_events_are_where_the_trial_says_and_far_apart(some):
    smile = some.video[..., ACTION_UNITS.index("AU12")].numpy()
    assert np.array_equal(smile.max(axis=1) > 1.5, some.smiled.numpy())
    eda = some.signals[:, 1].numpy()
    rise = (eda[:, 512:] - eda[:, :-512]).max(axis=1)
    assert np.array_equal(rise > 0.2, some.responded.numpy())
    both = np.flatnonzero((some.smiled & some.responded).numpy())
    for k in both:
        face, skin = smile[k].argmax() / 5, (eda[k, 512:] - eda[k, :-512]).argmax() / 128
        assert abs(abs(face - skin) - mvp_data.APART) < 5


def test_another_order_keeps_every_patch_and_others_keep_the_label(some):
    rng = np.random.default_rng(0)
    mixed = mvp_data.shuffled_patches(some, mvp.SMALL, rng)
    assert torch.allclose(mixed.signals.sort(dim=-1).values, some.signals.sort(dim=-1).values)
    assert torch.allclose(mixed.video.sum(dim=1), some.video.sum(dim=1), atol=1e-3)
    assert not torch.equal(mixed.signals, some.signals)
    swapped = mvp_data.exchanged_modality(some, "video", rng)
    assert torch.equal(swapped.signals, some.signals)
    assert torch.equal(swapped.target, some.target)
    assert not torch.equal(swapped.video, some.video)


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
def test_a_part_that_is_zeroed_is_gone_and_the_model_that_was_trained_is_not_touched():
    of = scpt.TINY
    drawn = scpt_data.draw(scpt_data.PULSE, 0, of.known, of.new, of.each, of.judged)
    model = scpt.train_model(scpt.PULSES[scpt.WHOLE], scpt_data.PULSE, drawn.train, 0, replace(of, steps=12))
    with torch.no_grad():
        before = model(drawn.test)
        gone = scpt.zeroed(model, "prompts")(drawn.test)
        unread = scpt.zeroed(model, "prompts")(scpt_data.other_images(drawn.test, np.random.default_rng(0)))
        blank = scpt.zeroed(model, "shared")(drawn.test)
        same = scpt.zeroed(model, "specific")(drawn.test)
        assert torch.equal(model(drawn.test), before)
    assert not torch.allclose(gone, before)
    assert torch.allclose(gone, unread), "without prompts no image is looked at"
    assert torch.allclose(blank, blank[:1].expand_as(blank)), "what is classified are the shared codes"
    assert torch.equal(same, before), "the specific branches are of training alone"


def test_even_attention_is_even_and_an_order_of_patches_is_one_of_places(some):
    torch.manual_seed(0)
    model = mvp.MVP(mvp.SMALL).eval()
    even = mvp.even(model)
    rows = torch.arange(4)
    batch = mvp_data.cut_windows(some, rows, np.zeros(4), mvp_data.SECONDS)
    with torch.no_grad():
        paid = even.infer(batch).face
        assert not torch.allclose(model.infer(batch).face, paid, atol=1e-4)
    assert paid is not None
    assert torch.allclose(paid, paid[:, :1].expand_as(paid), atol=1e-7)


def test_duse_arms_remove_their_part_and_no_other(filmed, tmp_path):
    duse.prepare([0], True, tmp_path, 1)
    clip = duse._clip(duse._clip_of(tmp_path, 0))
    of = replace(duse.TINY, steps=6, batch=7)
    model = duse.train_model(duse.ARMS[duse.BOTH], clip, filmed, 0, of)
    with torch.no_grad():
        first = model.infer(filmed.frames)
        changed = {name: change(copy.deepcopy(model)).infer(filmed.frames) for name, change in CHANGES.items()}
        assert torch.equal(model.infer(filmed.frames).logits, first.logits)
    assert [name for name, result in changed.items() if torch.equal(result.logits, first.logits)] == []
    assert torch.allclose(changed["equal frame weights"].frames, torch.full_like(first.frames, 1 / duse_data.FRAMES))
    assert changed["mean of frames instead of LSEA"].classes is None
    order = torch.arange(7).roll(1)
    assert torch.allclose(changed["class texts permuted"].logits, first.logits[:, order], atol=1e-2)


# ------------------------------------------------------------------------------------------------------------ verdicts
def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(2, 1, 5)
    low, high = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    result = tables.interval(values.tolist())
    assert (result.mean - result.half, result.mean + result.half) == pytest.approx((low, high))


@pytest.mark.parametrize(("values", "verdict"), [
    ([0.1, 0.11, 0.12], "above"), ([-0.1, -0.11, -0.12], "below"), ([0.1, -0.1, 0.3], "not shown"),
    ([0.0, 0.0, 0.0], "the same"), ([0.2], "not shown (a single seed)"), ([0.2, 0.2, 0.2], "above")])
def test_a_verdict_follows_from_the_interval(values, verdict):
    assert tables.interval(values).verdict == verdict


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


def test_the_claims_of_every_study_name_arms_that_there_are():
    for study in studies.EVIDENCE.values():
        named = {side[0] for claim in study.claims for side in (claim.first, claim.second) if isinstance(side, tuple)}
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


def test_the_published_page_has_the_words_of_the_generator():
    page = (Path(__file__).parents[1] / "docs/evidence.md").read_text(encoding="utf-8")
    assert [text for text in (tables.GOAL, tables.NOT_THE_PAPERS, tables.READING) if text not in page] == []
    for study in studies.EVIDENCE.values():
        assert f"\n## {study.title}\n\n{' '.join(study.world.split())}\n" in page
        part = page.split(f"\n## {study.title}\n")[1].split("\n## ")[0]
        scores, compared = (re.findall(r"^\| (.*?) \|", text, re.M) for text in part.split("### Findings"))
        expected = [line for group in dict.fromkeys(study.arms.values())
                  for line in (group, *(arm for arm, side in study.arms.items() if side == group), "chance")]
        assert scores == expected, study.name
        assert compared[1:] == [claim.text[:1].upper() + claim.text[1:] for claim in study.claims]


@pytest.mark.parametrize(("arguments", "expected"), [
    (["evidence/other"], "expected one of evidence/duse"), (["evidence/mvp", "--data", "."], "no --data"),
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
