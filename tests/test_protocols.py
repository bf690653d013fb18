"""Protocols: the official counts, planted films and subjects, and folds that refuse to overlap."""

from __future__ import annotations

import itertools
import json
import random
from hashlib import sha256

import numpy as np
import pytest

from mien.core.trials import Fold, Trial
from mien.datasets import splits
from mien.datasets.labels import RULES
from mien.datasets.splits import PROTOCOLS


def people(count: int = 10, each: int = 8, dataset: str = "deap", name: str = "s{:02d}") -> list[Trial]:
    """Subjects with ratings; how many of them are high differs from person to person."""
    return [Trial(f"{name.format(s)}/{i}", dataset, name.format(s), labels={"valence": 9.0 if i <= s % 9 else 1.0})
            for s in range(1, count + 1) for i in range(1, each + 1)]


def dfew(count: int = 11697) -> list[Trial]:
    """As many clips as DFEW has, numbers up to 16372, folds in contiguous ranges."""
    numbers = sorted(random.Random(0).sample(range(1, 16373), count))
    return [Trial(f"{n:05d}", "dfew", side=str(min(5, 1 + i * 5 // count))) for i, n in enumerate(numbers)]


def ferv39k(each: int = 40) -> list[Trial]:
    return [Trial(f"{scene}/{word}/{n:04d}", "ferv39k", side="test" if n % 5 == 0 else "train")
            for scene in ("Action", "Crime") for word in ("Happy", "Sad", "Fear") for n in range(1, each + 1)]


def ids(trials) -> list[str]:
    return [trial.id for trial in trials]


def subjects(trials) -> set[str]:
    return {trial.subject for trial in trials}


EVERY = {"dfew": lambda: dfew(500), "ferv39k": ferv39k, "loso": people, "kfold": people,
         "kfold10": lambda: people(22, 4), "eegain": lambda: people(32)}


# What must hold for each of them.

@pytest.mark.parametrize("name", PROTOCOLS)
def test_each_trial_is_judged_at_most_once_and_on_one_side(name) -> None:
    trials = EVERY[name]()
    folds = PROTOCOLS[name](trials)
    for fold in folds:
        sides = [set(ids(part)) for _, part in fold]
        assert all(not a & b for a, b in itertools.combinations(sides, 2))
        assert set().union(*sides) == set(ids(trials))
        assert fold.val
    judged = [id for fold in folds for id in ids(fold.test)]
    assert len(judged) == len(set(judged))
    if name in ("dfew", "loso", "kfold", "kfold10"):
        assert set(judged) == set(ids(trials))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_folds_depend_on_the_trials_alone_not_on_their_order(name) -> None:
    trials = EVERY[name]()
    shuffled = random.Random(1).sample(trials, len(trials))
    first, second = PROTOCOLS[name](trials), PROTOCOLS[name](iter(shuffled))
    assert [[ids(part) for _, part in fold] for fold in first] == [[ids(part) for _, part in fold] for fold in second]
    assert splits.split_hash(*first) == splits.split_hash(*second)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_seed_moves_validation_and_says_so(name) -> None:
    trials = EVERY[name]()
    first, second = PROTOCOLS[name](trials, seed=0), PROTOCOLS[name](trials, seed=1)
    assert any(ids(a.val) != ids(b.val) for a, b in zip(first, second, strict=True))
    assert "seed 1" in second[0].protocol
    if not name.startswith("kfold"):
        assert [ids(fold.test) for fold in first] == [ids(fold.test) for fold in second]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_without_validation_all_of_train_is_learnt_from(name) -> None:
    trials = EVERY[name]()
    for full, less in zip(PROTOCOLS[name](trials, val=0), PROTOCOLS[name](trials), strict=True):
        assert not full.val
        assert "no validation" in full.protocol
        assert sorted(ids(less.train) + ids(less.val)) == sorted(ids(full.train))
        assert ids(less.test) == ids(full.test)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_shares_that_are_none_are_refused(name) -> None:
    for val in (-0.1, 1.0, 1.5):
        with pytest.raises(ValueError, match="expected"):
            PROTOCOLS[name](EVERY[name](), val=val)
    with pytest.raises(ValueError, match="expected trials"):
        PROTOCOLS[name]([])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_labels_are_never_looked_at(name) -> None:
    """The test set never chooses: other labels, the same folds."""
    trials = EVERY[name]()
    other = [Trial(t.id, t.dataset, t.subject, side=t.side, labels={"valence": 5.0}) for t in trials]
    assert splits.split_hash(*PROTOCOLS[name](trials)) == splits.split_hash(*PROTOCOLS[name](other))


# DFEW

def test_dfew_has_its_five_folds_and_blocks_of_neighbours_validate() -> None:
    trials = dfew()
    folds = PROTOCOLS["dfew"](trials)
    assert [fold.name for fold in folds] == ["fd1", "fd2", "fd3", "fd4", "fd5"]
    for fold in folds:
        assert set(ids(fold.test)) == {trial.id for trial in trials if trial.side == fold.name[2:]}
        rest = sorted([*fold.train, *fold.val], key=lambda trial: int(trial.id))
        inside = np.array([trial.id in set(ids(fold.val)) for trial in rest])
        assert len(fold.val) == pytest.approx(0.1 * len(rest), abs=1)
        starts = np.flatnonzero(np.diff(inside.astype(int), prepend=0) == 1)
        ends = np.flatnonzero(np.diff(inside.astype(int), append=0) == -1)
        assert len(starts) == 9
        assert np.all(np.abs(ends - starts + 1 - 104) <= 1)  # 936 clips in nine runs
        assert np.all(np.diff(starts) > 104)
        assert fold.subject_independent is False


def test_validation_of_dfew_shares_few_films_with_train() -> None:
    """Films planted as 40 clips in a row: random clips would share nearly all of them, blocks only those they cut."""
    fold = PROTOCOLS["dfew"](dfew())[0]
    films = [{int(trial.id) // 40 for trial in part} for part in (fold.train, fold.val)]
    rest = [*fold.train, *fold.val]
    drawn = set(ids(random.Random(0).sample(rest, len(fold.val))))
    at_random = [{int(t.id) // 40 for t in rest if (t.id in drawn) == side} for side in (False, True)]
    assert len(films[0] & films[1]) <= 18
    assert len(at_random[0] & at_random[1]) > 200


def test_a_tiny_dfew_works_too() -> None:
    folds = PROTOCOLS["dfew"](dfew(70))
    assert [len(fold.test) for fold in folds] == [14] * 5
    assert all(1 <= len(fold.val) <= 8 for fold in folds)


@pytest.mark.parametrize("sides", [{"00001": ""}, {"00001": "6"}])
def test_a_clip_of_dfew_without_an_official_fold_is_refused_by_name(sides) -> None:
    trials = [Trial(f"{n:05d}", "dfew", side=sides.get(f"{n:05d}", str(1 + n % 5))) for n in range(1, 50)]
    with pytest.raises(ValueError, match="00001"):
        PROTOCOLS["dfew"](trials)


def test_official_splits_refuse_what_is_not_theirs_and_what_is_not_whole() -> None:
    with pytest.raises(ValueError, match="trials of dfew alone"):
        PROTOCOLS["dfew"](ferv39k())
    with pytest.raises(ValueError, match="none on 3, 5"):
        PROTOCOLS["dfew"]([Trial(str(n), "dfew", side="124"[n % 3]) for n in range(1, 30)])
    with pytest.raises(ValueError, match="none on test"):
        PROTOCOLS["ferv39k"]([trial for trial in ferv39k() if trial.side == "train"])


# FERV39k

def test_ferv39k_keeps_its_split_and_validates_on_a_block_of_every_scene_and_emotion() -> None:
    trials = ferv39k(100)
    (fold,) = PROTOCOLS["ferv39k"](trials)
    assert set(ids(fold.test)) == {trial.id for trial in trials if trial.side == "test"}
    assert len(fold.val) == round(0.1 * (len(fold.train) + len(fold.val)))
    for scene, word in itertools.product(("Action", "Crime"), ("Happy", "Sad", "Fear")):
        group = [t for t in trials if t.id.startswith(f"{scene}/{word}/") and t.side == "train"]
        places = [i for i, trial in enumerate(group) if trial.id in set(ids(fold.val))]
        assert len(places) == 8
        assert places == list(range(places[0], places[0] + 8))


def test_small_scenes_of_ferv39k_still_give_their_share() -> None:
    (fold,) = PROTOCOLS["ferv39k"](ferv39k(5))  # four training clips a scene and emotion, 24 in all
    assert len(fold.val) == 2


# Subjects

def test_leave_one_subject_out_judges_everybody_alone() -> None:
    trials = people(12)
    folds = PROTOCOLS["loso"](trials)
    assert [fold.name for fold in folds] == [f"s{s:02d}" for s in range(1, 13)]
    for fold in folds:
        assert subjects(fold.test) == {fold.name}
        assert len(fold.test) == 8
        assert len(subjects(fold.val)) == 2  # a fifth of eleven
        assert fold.subject_independent
    assert len({frozenset(subjects(fold.val)) for fold in folds}) > 6  # not the same people over and over


def test_subjects_are_listed_by_number() -> None:
    names = [fold.name for fold in PROTOCOLS["loso"](people(12, 1, "folder", "p{}"))]
    assert names == [f"p{s}" for s in range(1, 13)]


def test_subjects_of_two_datasets_with_one_name_are_two_people() -> None:
    folds = PROTOCOLS["loso"](people(3) + people(3, dataset="amigos"))
    assert [fold.name for fold in folds][:2] == ["amigos s01", "amigos s02"]
    assert [len(fold.test) for fold in folds] == [8] * 6


@pytest.mark.parametrize("k", [2, 5, 10])
def test_k_folds_hold_as_many_subjects_within_one(k) -> None:
    for alike in (None, RULES["scpt/valence"]):
        folds = PROTOCOLS["kfold"](people(32), k=k, alike=alike)
        sizes = [len(subjects(fold.test)) for fold in folds]
        assert sum(sizes) == 32
        assert max(sizes) - min(sizes) <= 1
        assert len(folds) == k


def test_folds_that_know_the_labels_are_more_alike_and_say_so() -> None:
    def spread(folds) -> float:
        return float(np.std([RULES["scpt/valence"](fold.test).target.mean() for fold in folds]))

    trials = people(30)
    aware = PROTOCOLS["kfold"](trials, alike=RULES["scpt/valence"])
    blind = [spread(PROTOCOLS["kfold"](trials, seed=seed)) for seed in range(20)]
    assert spread(aware) < 0.5 * float(np.median(blind))
    assert "alike by scpt (valence) of all trials" in aware[0].protocol
    assert "order random" in PROTOCOLS["kfold"](trials)[0].protocol


def test_too_few_subjects_and_no_subjects_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5 subjects, got 4"):
        PROTOCOLS["kfold"](people(4))
    with pytest.raises(ValueError, match="at least 3 subjects, got 2"):
        PROTOCOLS["loso"](people(2))
    assert len(PROTOCOLS["loso"](people(2), val=0)) == 2
    with pytest.raises(ValueError, match="two folds or more"):
        PROTOCOLS["kfold"](people(4), k=1)
    for name in ("loso", "kfold"):
        with pytest.raises(ValueError, match="none, such as x9"):
            PROTOCOLS[name]([*people(6), Trial("x9", "deap")])


# EEGain's lists, as the sources print them

TEST_OF = {"amigos": (40, (1, 7, 11, 12, 15, 16, 20, 30, 35, 37)), "deap": (32, (2, 7, 9, 12, 15, 16, 21, 32)),
           "mahnob": (30, (1, 3, 11, 14, 16, 23, 27))}


@pytest.mark.parametrize("dataset", TEST_OF)
def test_the_fixed_subjects_of_eegain(dataset) -> None:
    count, test = TEST_OF[dataset]
    absent = {12, 15, 26} if dataset == "mahnob" else set()
    trials = [trial for trial in people(count, 3, dataset, "P{:02d}") if int(trial.subject[1:]) not in absent]
    (fold,) = PROTOCOLS["eegain"](trials)
    assert subjects(fold.test) == {f"P{n:02d}" for n in test}
    learnt = subjects(fold.train) | subjects(fold.val)
    out = {"P09"} if dataset == "mahnob" else set()  # on neither of EEGain's lists
    assert learnt == {trial.subject for trial in trials} - subjects(fold.test) - out
    assert ("left out: P09" in fold.protocol) == (dataset == "mahnob")


def test_deap_with_face_video_has_fifteen_and_seven() -> None:
    (fold,) = PROTOCOLS["eegain"](people(22))
    assert len(subjects(fold.train) | subjects(fold.val)) == 15
    assert subjects(fold.test) == {f"s{n:02d}" for n in (2, 7, 9, 12, 15, 16, 21)}


def test_the_fixed_subjects_fit_one_dataset_that_has_them() -> None:
    with pytest.raises(ValueError, match="one of amigos, deap, mahnob"):
        PROTOCOLS["eegain"](people(5, dataset="folder"))
    with pytest.raises(ValueError, match="one of amigos, deap, mahnob"):
        PROTOCOLS["eegain"](people(5) + people(5, dataset="amigos"))
    with pytest.raises(ValueError, match="one number in the name"):
        PROTOCOLS["eegain"](people(3, name="anna{}b2"))
    with pytest.raises(ValueError, match="subjects on both lists, got s001, s01"):
        PROTOCOLS["eegain"](people(1) + people(1, name="s{:03d}"))


# The name of a split

def test_the_hash_is_that_of_the_sorted_ids_of_each_side() -> None:
    a, b, c = (Trial(id, "deap", id[:3]) for id in ("s01/1", "s02/1", "s03/1"))
    fold = Fold("x", "y", (b, a), (), (c,))
    text = json.dumps([["train", [["deap", "s01/1"], ["deap", "s02/1"]]], ["val", []], ["test", [["deap", "s03/1"]]]])
    assert splits.split_hash(fold) == sha256(text.replace(" ", "").encode()).hexdigest()
    assert splits.split_hash(Fold("other", "name", (a, b), (), (c,))) == splits.split_hash(fold)
    assert splits.split_hash(Fold("x", "y", (a,), (b,), (c,))) != splits.split_hash(fold)


def test_a_fold_states_itself() -> None:
    line = splits.split_statement(PROTOCOLS["loso"](people(6))[0])
    for said in ("s01: train 32 (4 subjects), val 8 (1 subjects), test 8 (1 subjects)", "subjects apart",
                 "leave one subject out", "20% of the training subjects, seed 0", "split sha256 "):
        assert said in line
    assert "subjects unknown" in splits.split_statement(PROTOCOLS["ferv39k"](ferv39k())[0])


# Trial and Fold

A, B, C = (Trial(f"s0{n}/1", "deap", f"s0{n}") for n in (1, 2, 3))


@pytest.mark.parametrize(
    ("train", "val", "test", "why"),
    [
        ((A, B), (), (A,), "every trial on one side"),
        ((A,), (A,), (B,), "every trial on one side"),
        ((A,), (B,), (B,), "every trial on one side"),
        ((A, A), (), (B,), "every trial on one side"),
        ((A,), (), (B, Trial("s02/1", "deap", "s09")), "every trial on one side"),  # another object, the same trial
        ((A,), (), (Trial("s01/2", "deap", "s01"),), "every subject on one side"),
        ((A,), (Trial("s01/2", "deap", "s01"),), (B,), "every subject on one side"),
        ((A,), (B,), (C, Trial("s02/2", "deap", "s02")), "every subject on one side"),
        ((A, Trial("x", "deap")), (), (B,), "a subject for every trial"),
        ((A,), (Trial("x", "deap"),), (B,), "a subject for every trial"),
        ((), (A,), (B,), "at least one trial"),
        ((A,), (B,), (), "at least one trial"),
    ],
)
def test_a_fold_that_overlaps_does_not_come_to_be(train, val, test, why) -> None:
    with pytest.raises(ValueError, match=why):
        Fold("fold", "planted", train, val, test)


def test_a_fold_names_the_subjects_and_trials_that_overlap() -> None:
    with pytest.raises(ValueError, match="s01"):
        Fold("fold", "planted", (A,), (), (Trial("s01/2", "deap", "s01"),))
    many = tuple(Trial(f"c{n}", "dfew") for n in range(9))
    with pytest.raises(ValueError, match="9 on two, c0, c1, c2, c3, c4 and 4 more"):
        Fold("fold", "planted", many, (), many, subject_independent=False)


def test_a_fold_allows_what_is_no_overlap() -> None:
    same_name = Trial("s01/1", "amigos", "s01")  # another dataset's first subject
    fold = Fold("fold", "planted", (A,), (B,), (same_name,))
    assert [side for side, _ in fold] == ["train", "val", "test"]
    Fold("fold", "planted", (Trial("1", "dfew"),), (), (Trial("2", "dfew"),), subject_independent=False)
    with pytest.raises(ValueError, match="a subject for every trial"):
        Fold("fold", "planted", (Trial("1", "dfew"),), (), (Trial("2", "dfew"),))


def test_a_window_of_a_trial_cannot_be_on_two_sides_under_the_same_subject() -> None:
    """The leak of window-level splits: pieces of one trial with ids of their own are still one subject."""
    windows = [Trial(f"s01/1#{i}", "deap", "s01") for i in range(4)]
    with pytest.raises(ValueError, match="every subject on one side"):
        Fold("windows", "random windows", tuple(windows[:3]), (), tuple(windows[3:]))


@pytest.mark.parametrize(
    "wrong",
    [{"id": ""}, {"span": (5.0, 5.0)}, {"span": (-1.0, 3.0)}, {"span": (float("nan"), 3.0)}, {"frame_rate": 0.0},
     {"labels": {"valence": float("nan")}}, {"labels": {"valence": None}}],
)
def test_a_trial_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="expected"):
        Trial(**({"id": "a", "dataset": "deap"} | wrong))


@pytest.mark.parametrize("name", ["loso", "kfold", "eegain"])
def test_long_videos_of_amigos_are_left_out_and_the_protocol_says_so(name: str) -> None:
    def film(trial: Trial, videos: str, id: str) -> Trial:
        return Trial(id, "amigos", trial.subject, labels=trial.labels, about={"videos": videos})

    short = [film(trial, "short", trial.id) for trial in people(40, 2, "amigos", "P{:02d}")]
    long = [film(trial, "long", f"{trial.subject}/N1") for trial in short[::2]]
    for fold, plain in zip(PROTOCOLS[name](short + long), PROTOCOLS[name](short), strict=True):
        assert [ids(side) for _, side in fold] == [ids(side) for _, side in plain]
        assert "short videos only, 40 long ones left out" in fold.protocol
        assert "long" not in plain.protocol
