"""The synthetic people: what is planted is in the picture, and nothing else is."""

import ast
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from mien import simulation
from mien.simulation import blendshapes, raycast
from mien.simulation.head import Grid, head_layout
from mien.simulation.identity import NORMS
from mien.simulation.motion import parted
from mien.simulation.physiology import SYSTOLE, rhythm, waveform
from mien.simulation.renderer import SHAPE, Figure

PERSON = simulation.identity(7)


def scene(actor=None, *, seconds=4.0, **options):
    actors = (
        (simulation.Actor(PERSON),) if actor is None else (actor,) if isinstance(actor, simulation.Actor) else actor
    )
    options = {"size": (320, 240), "seconds": seconds, **options}
    return simulation.Scene(actors=actors, **options)


def still(aus=None, size=(320, 240), person=PERSON, **options):
    """One frame without noise, float (H, W, 3)."""
    actor = simulation.Actor(person, aus=aus or {}, pulse=None, respiration=None, **options)
    return scene(actor, seconds=1 / 30, noise=0.0, size=size).frame(0).rgb.astype(float)


def skin_trace(film, moves=False):
    """(T, 3) mean colour of the pulsing skin of the first actor, weighed by the film's own truth of where it is."""
    rows, mask = [], film.skin(0)[0]
    for index in range(len(film.times)):
        mask = film.skin(index)[0] if moves else mask
        rows.append((film.frame(index).rgb * mask[..., None]).sum((0, 1)) / mask.sum())
    return np.array(rows)


def peak_rate(trace, fps):
    """Rate of the strongest line of a trace between 0.7 and 4 Hz, bpm, by a dense periodogram."""
    t = np.arange(len(trace)) / fps
    rates = np.arange(0.7, 4, 0.002)
    power = np.abs(np.exp(-2j * np.pi * rates[:, None] * t) @ ((trace - trace.mean()) * np.hanning(len(trace))))
    return 60 * rates[int(np.argmax(power))]


# --- who --------------------------------------------------------------------------------------------------------------

def test_twenty_people_are_distinct_and_within_the_norms():
    people = [simulation.identity(seed) for seed in range(20)]
    tones = [person.skin_tone for person in people]
    assert {tone: tones.count(tone) >= 3 for tone in range(1, 7)} == dict.fromkeys(range(1, 7), True)
    assert sum(person.sex == "male" for person in people) == 10
    sizes = np.array([[person[name] for name in NORMS] for person in people])
    distance = np.abs(sizes[:, None] - sizes[None]).max(-1) + 99 * np.eye(20)
    assert distance.min() > 1.5
    for person in people:
        if person.ancestry == "european":
            column = 0 if person.sex == "male" else 1
            assert all(abs(person[name] - norm[column]) <= 1.5 * norm[2] + 1e-9 for name, norm in NORMS.items())


def test_darker_tones_are_darker():
    light = [np.mean([sum(simulation.identity(s).skin) for s in range(20) if simulation.identity(s).skin_tone == tone])
             for tone in range(1, 7)]
    assert np.all(np.diff(light) < 0)


def test_same_seed_same_person():
    assert simulation.identity(3) == simulation.identity(3)
    with pytest.raises(ValueError, match="seed of 0 or more"):
        simulation.identity(-1)


# --- rhythms ----------------------------------------------------------------------------------------------------------

def test_waveform_has_systole_notch_and_dicrotic_wave():
    phase = np.linspace(0, 1, 2001)
    beat = waveform(phase)
    assert beat.max() == pytest.approx(1, abs=1e-4)
    assert beat.min() == pytest.approx(-1, abs=1e-4)
    slope = np.diff(beat)
    tops = phase[1:-1][(slope[:-1] > 0) & (slope[1:] <= 0)]
    assert len(tops) == 2
    assert tops[0] == pytest.approx(SYSTOLE, abs=1e-3)
    assert tops[1] > tops[0] + 0.2
    assert waveform(np.array([0.3])) == pytest.approx(waveform(np.array([5.3])))


def test_beats_of_a_constant_heart_come_evenly():
    got = rhythm(np.arange(0, 20, 1 / 30), simulation.Pulse(75.0), None)
    assert np.diff(got.beats) == pytest.approx(60 / 75, abs=1e-4)
    assert got.heart_rate == pytest.approx(75.0)


def test_beats_follow_a_changing_heart():
    times = np.arange(0, 60, 1 / 30)
    got = rhythm(times, simulation.Pulse(lambda t: 60 + t), None)
    expected = (60 * 60 + 60**2 / 2) / 60  # integral of the rate over a minute, in beats
    assert len(got.beats) == pytest.approx(expected, abs=1.01)
    middle = (got.beats[1:] + got.beats[:-1]) / 2
    assert 60 / np.diff(got.beats) == pytest.approx(60 + middle, rel=0.02)


def test_breath_quickens_the_heart():
    times = np.arange(0, 40, 1 / 30)
    got = rhythm(times, simulation.Pulse(70.0), simulation.Respiration(rate=12, rsa=4.0))
    assert got.heart_rate.max() - got.heart_rate.min() == pytest.approx(8.0, rel=0.02)
    assert np.corrcoef(got.heart_rate, np.sin(2 * np.pi * 0.2 * times))[0, 1] > 0.99


def test_blinks_are_counted_and_close_the_eye():
    times = np.arange(0, 60, 1 / 30)
    film = scene(simulation.Actor(PERSON, blinks=simulation.Blinks(rate=20, seed=3)), seconds=60)
    truth = film.truth().actors[0]
    shut = truth.au("AU45")
    crossings = int(np.sum((shut[1:] > 2.5) & (shut[:-1] <= 2.5)))
    assert crossings == len(truth.blinks)
    assert 12 <= len(truth.blinks) <= 28
    assert len(times) == len(shut)


@pytest.mark.parametrize(("make", "words"), [
    (lambda: simulation.Pulse(amplitude=6), "AC/DC"), (lambda: simulation.Pulse(bpm=5), "20..300"),
    (lambda: simulation.Respiration(rate=0), "2..60"), (lambda: simulation.Scene(seconds=0), "seconds over 0"),
    (lambda: simulation.Scene(coarse=0.5), "1 to 4 times"),
    (lambda: simulation.Actor(PERSON, aus={"AU13": 1}), "AU13"), (lambda: simulation.expression("joy"), "happy"),
])
def test_wrong_plans_are_refused_with_what_was_expected(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# --- the pulse in the picture -----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("seed", "bpm", "amplitude"), [(7, 72, 0.006), (5, 95, 0.012), (0, 58, 0.003)])
def test_skin_carries_the_planted_pulse(seed, bpm, amplitude):
    actor = simulation.Actor(
        simulation.identity(seed), pulse=simulation.Pulse(bpm, amplitude, modulation=0, baseline=0), respiration=None
    )
    film = scene(actor, seconds=8, fps=20)
    trace = skin_trace(film)
    relative = trace / trace.mean(0) - 1
    truth = film.truth().actors[0]
    design = np.stack([-truth.bvp, np.ones_like(truth.bvp)], -1)
    strength = np.linalg.lstsq(design, relative, rcond=None)[0][0]
    assert strength[1] == pytest.approx(amplitude, rel=0.10)
    assert strength / strength[1] == pytest.approx(simulation.SIGNATURE / simulation.SIGNATURE[1], abs=0.10)
    assert peak_rate(relative[:, 1], 20) == pytest.approx(bpm, abs=1.5)


def test_background_and_clothes_have_no_pulse():
    film = scene(simulation.Actor(PERSON, pulse=simulation.Pulse(72, 0.012), respiration=None), seconds=5)
    frames = np.array([frame.rgb for frame in film.frames()], float)
    truth = film.truth().actors[0]
    body = film.skin(0)[0] > 0
    away = ~body
    trace = frames[:, away].mean(1)[:, 1]
    gain = np.linalg.lstsq(np.stack([truth.bvp, np.ones_like(truth.bvp)], -1), trace / trace.mean() - 1, rcond=None)[0]
    assert abs(gain[0]) < 0.012 / 60


@pytest.mark.parametrize("options", [{"pulse": None}, {"still": True}, {"painted": True}])
def test_actor_without_a_pulse_has_no_pulse_in_its_truth(options):
    film = scene(simulation.Actor(PERSON, respiration=None, **options), seconds=5)
    truth = film.truth().actors[0]
    assert truth.amplitude == 0
    assert np.isnan(truth.bpm)
    assert len(truth.beats) == 0
    mask = film.skin(0)[0] > 0.9
    trace = np.array([frame.rgb[mask].mean(0)[1] for frame in film.frames()])
    assert np.std(trace / trace.mean()) < 2e-4


def test_pulse_survives_compression_and_the_file_keeps_its_times(tmp_path):
    actor = simulation.Actor(PERSON, pulse=simulation.Pulse(90, 0.012), respiration=None)
    film = scene(actor, seconds=8, fps=20)
    truth = simulation.write_video(film, tmp_path / "a.mp4", crf=18)
    mask = film.skin(0)[0] > 0.9
    with av.open(str(tmp_path / "a.mp4")) as container:
        read = [(frame.time, frame.to_ndarray(format="rgb24")[mask][:, 1].mean())
                for frame in container.decode(video=0)]
    assert [time for time, _ in read] == pytest.approx(truth.times, abs=1e-3)
    assert peak_rate(np.array([green for _, green in read]), 20) == pytest.approx(90, abs=2)


def test_flicker_hits_skin_and_background_alike_and_light_drifts():
    flicker = simulation.Flicker(hz=1.5, amplitude=0.02)
    film = scene(simulation.Actor(PERSON, pulse=None, respiration=None), seconds=4, flicker=flicker,
                 light=simulation.LightChange(0.1, 8.0))
    frames = np.array([frame.rgb for frame in film.frames()], float)
    mask = film.skin(0)[0]
    planted = flicker.gain(film.times) * simulation.LightChange(0.1, 8.0).gain(film.times)
    for region in (mask > 0.9, mask == 0):
        trace = frames[:, region].mean((1, 2))
        assert trace / trace.mean() == pytest.approx(planted / planted.mean(), abs=0.01)


def test_portrait_has_the_planted_pulse():
    pytest.importorskip("skimage")
    film = simulation.portrait(pulse=simulation.Pulse(66, 0.008, baseline=0), seconds=5, fps=20, respiration=None)
    trace = skin_trace(film, moves=True)
    relative = trace / trace.mean(0) - 1
    bvp = film.truth().actors[0].bvp
    strength = np.linalg.lstsq(np.stack([-bvp, np.ones_like(bvp)], -1), relative, rcond=None)[0][0]
    assert strength[1] == pytest.approx(0.008, rel=0.10)
    box = film.truth().actors[0].box[0]
    assert box[0] < 320 < box[2]


# --- what the muscles do, in the words of FACS ------------------------------------------------------------------------

GRID = Grid(1.25, top=100.0, bottom=-165.0, reach=1.25)
AT = head_layout(PERSON)
X, Y = np.meshgrid(np.linspace(-70, 70, 141), np.linspace(90, -140, 231))
MOVES = blendshapes.blendshapes(X, Y, AT) * 5


def moved(name, x, y, lip=0):
    """(right, up, forward) mm at intensity 5 of the skin at frontal x, y."""
    column, row = round(x + 70), round(90 - y)
    return MOVES[blendshapes.ACTION_UNITS.index(name), lip, :, row, column]


# action unit: places (x of the person's left side, y) and the sign and least size (mm) of (outward, upward) there.
FACS = {
    "AU01": [((AT.eye_inner - 4, AT.brow), (None, 4)), ((AT.eye_outer + 4, AT.brow), (None, "less"))],
    "AU02": [((AT.eye_outer, AT.brow), (None, 4))],
    "AU04": [((AT.eye_inner - 4, AT.brow), (-2, -3))],
    "AU06": [((36, -19), (None, 3)), ((56, 0), (-1.5, None))],
    "AU09": [((AT.alar, AT.sn + 7), (None, 2)), ((AT.eye_inner - 6, AT.brow - 3), (None, -2))],
    "AU10": [((12, AT.sto + 6), (None, 3))],
    "AU12": [((AT.mouth, AT.sto), (4, 4))],
    "AU15": [((AT.mouth, AT.sto), (None, -4))],
    "AU17": [((0, AT.sulcus - 10), (None, 4)), ((0, AT.sto - 4), (None, 2))],
    "AU20": [((AT.mouth, AT.sto), (5, None))],
    "AU23": [((AT.mouth - 1, AT.sto), (-1.5, None)), ((0, AT.sto + AT.upper), (None, -2))],
    "AU24": [((0, AT.sto + AT.upper), (None, -3))],
}


@pytest.mark.parametrize("name", FACS)
def test_muscles_pull_where_facs_says(name):
    for (x, y), (out, up) in FACS[name]:
        for side in (-1, 1):
            got = moved(name, side * x, y) * [side, 1, 1]
            if isinstance(out, int | float):
                assert got[0] * np.sign(out) >= abs(out)
            if up == "less":
                assert got[1] < 0.5 * moved(name, *FACS[name][0][0])[1]
            elif up is not None:
                assert got[1] * np.sign(up) >= abs(up)


def test_muscles_pull_both_sides_alike():
    level = [name != "AU17" for name in blendshapes.ACTION_UNITS]      # the dimples of the chin are not mirrored
    moves = MOVES[level]
    assert np.abs(moves[:, :, 1:] - moves[:, :, 1:, :, ::-1]).max() < 1e-3
    assert np.abs(moves[:, :, 0] + moves[:, :, 0, :, ::-1]).max() < 1e-3


def test_lips_part_and_the_jaw_drops():
    upper, lower = moved("AU25", 0, AT.sto + 2, lip=0)[1], moved("AU25", 0, AT.sto - 2, lip=1)[1]
    assert upper > 1
    assert lower < -4
    assert moved("AU26", 0, AT.gn + 8, lip=1)[1] < -10
    assert abs(moved("AU26", 0, 20)[1]) < 0.1
    for name in ("AU25", "AU26"):  # the lips stay joined at the corners
        corner = [moved(name, AT.mouth + 2, AT.sto, lip=lip)[1] for lip in (0, 1)]
        assert corner[0] == pytest.approx(corner[1], abs=0.2)


def test_no_skin_folds_over():
    assert np.diff(MOVES[:, :, 1], axis=2).max() < 1     # rows go down by 1 mm: 1 would turn the skin inside out
    assert np.diff(MOVES[:, :, 0], axis=3).min() > -1


# --- what of it shows -------------------------------------------------------------------------------------------------

def region(x0, x1, y0, y1, scale=0.56, centre=(160, 105.6)):
    """Rows and columns of a 320x240 frame that show this part (mm) of a face that looks ahead."""
    return (slice(int(centre[1] - y1 * scale), int(centre[1] - y0 * scale)),
            slice(int(centre[0] + x0 * scale), int(centre[0] + x1 * scale)))


@pytest.mark.parametrize("name", simulation.ACTION_UNITS)
def test_every_action_unit_changes_the_picture_more_the_stronger(name):
    neutral, little, much = still(), still({name: 2.0}), still({name: 5.0})
    change = [np.abs(frame - neutral).mean() for frame in (little, much)]
    assert change[0] > 0.02
    assert change[1] > 1.4 * change[0]


def test_coarser_maps_show_the_same_person_with_the_same_face():
    def seen(aus, coarse, person=PERSON):
        actor = simulation.Actor(person, aus=aus, pulse=None, respiration=None, scale=0.5)
        return scene(actor, noise=0.0, size=(128, 128), seconds=0.04, coarse=coarse).frame(0).rgb.astype(float)

    calm, rough = seen({}, 1), seen({}, 2)
    other = seen({}, 1, simulation.identity(13))  # with the same tone of the skin
    assert 0 < np.abs(calm - rough).mean() < 0.3 * np.abs(calm - other).mean()
    moved, roughly = seen({"AU12": 5, "AU25": 3}, 1) - calm, seen({"AU12": 5, "AU25": 3}, 2) - rough
    assert np.corrcoef(moved.ravel(), roughly.ravel())[0, 1] > 0.8


def test_opening_the_mouth_shows_the_dark_of_it():
    mouth = region(-18, 18, AT.sto - 16, AT.sto + 3)
    dark = [np.sum(still({"AU26": a})[mouth].mean(2) < 60) for a in (0, 2, 3.5, 5)]
    assert dark[0] < 12
    assert np.all(np.diff(dark) > 10)


def test_closing_the_lids_hides_the_white_of_the_eye():
    eye = region(AT.eye - 16, AT.eye + 16, -5, 8)
    span = [np.ptp(still({"AU45": a})[eye].mean(2)) for a in (0, 5)]
    white = [np.sum(np.ptp(still({"AU45": a}, person=simulation.identity(5))[eye], axis=2) < 25) for a in (0, 2.5, 5)]
    assert span[0] > span[1]
    assert white[0] > white[1] > white[2]


def test_gaze_moves_the_iris_to_the_persons_left():
    eye = region(AT.eye - 16, AT.eye + 16, -4, 6)

    def centre(yaw):
        dark = np.clip(110 - still(gaze=(yaw, 0.0))[eye].mean(2), 0, None)
        return (dark.sum(0) * np.arange(dark.shape[1])).sum() / dark.sum()

    assert centre(20) - centre(-20) > 1.5


@pytest.mark.parametrize(("pose", "axis", "sign"), [((0, 20, 0), 0, 1), ((15, 0, 0), 1, -1), ((0, 0, 15), 0, 1)])
def test_pose_turns_the_way_the_types_say(pose, axis, sign):
    """Yaw and roll go to the person's own left, which is the picture's right; pitch goes up."""
    nose, crown = np.array([0.0, -35, 115]), np.array([0.0, 120, 0])
    point = crown if pose[2] else nose
    ahead, turned = raycast.View(0, 0, 0, 160, 100, 1), raycast.View(*pose, 160, 100, 1)
    assert sign * (turned.project(point) - ahead.project(point))[axis] > 10
    picture, neutral = still(pose=pose), still()
    assert np.abs(picture - neutral).mean() > 2


def test_projection_and_ray_agree():
    """The forward projection of a point on the head and the backward search along the ray find each other."""
    figure = Figure(PERSON)
    view = raycast.View(8, -15, 6, 160, 105, 0.9)
    hits = raycast.trace(figure.radius, SHAPE, view, (40, 10, 280, 230))
    inside = hits.alpha > 0.99
    radius = np.hypot(hits.x, 0) / np.maximum(np.abs(np.sin(hits.angle)), 1e-6)
    points = np.stack([hits.x, hits.height, radius * np.cos(hits.angle)], -1)
    down, across = np.mgrid[0:hits.alpha.shape[0], 0:hits.alpha.shape[1]]
    off = view.project(points) - np.stack([across + hits.left, down + hits.top], -1)
    off = np.hypot(*np.moveaxis(off, -1, 0))[inside & (np.abs(np.sin(hits.angle)) > 0.1)]
    assert np.percentile(off, 90) < 0.7


# --- the truth and the plan -------------------------------------------------------------------------------------------

def test_planted_curves_come_back_in_the_truth():
    fps, count = 25.0, 50
    samples = np.linspace(0, 4, count)
    actor = simulation.Actor(PERSON, aus={"AU1": 2.0, "AU12": lambda t: 5 * t / 2, "AU04": samples},
                            pose=lambda t: (5.0, 10.0, -t), gaze=(3.0, -2.0))
    truth = scene(actor, seconds=2, fps=fps).truth()
    single = truth.actors[0]
    assert single.aus.shape == (count, 18)
    assert single.au("AU01") == pytest.approx(2.0)
    assert single.au("AU12") == pytest.approx(np.clip(5 * truth.times / 2, 0, 5))
    assert single.au("AU04") == pytest.approx(samples)
    assert single.au("AU25") == pytest.approx(0.0)
    assert single.pose[:, 2] == pytest.approx(-truth.times)
    assert single.gaze[0] == pytest.approx([3, -2])


def test_a_dropped_jaw_is_also_parted_lips():
    aus = np.zeros((3, 18))
    aus[:, simulation.ACTION_UNITS.index("AU26")] = [0, 1, 5]
    lips = parted(aus)[:, simulation.ACTION_UNITS.index("AU25")]
    assert lips[0] == 0
    assert 0 < lips[1] < lips[2]


def test_frames_do_not_depend_on_the_order():
    actor = simulation.Actor(PERSON, aus={"AU12": lambda t: 2 + t}, sway=1.0, nod=simulation.Nod())
    single, second = scene(actor, seconds=1), scene(actor, seconds=1)
    forward = [frame.rgb for frame in single.frames()]
    assert np.array_equal(second.frame(20).rgb, forward[20])
    assert np.array_equal(second.frame(3).rgb, forward[3])


def test_nod_is_in_the_pose_at_its_rate():
    film = scene(simulation.Actor(PERSON, nod=simulation.Nod(1.2, 3.0)), seconds=10)
    pitch = film.truth().actors[0].pose[:, 0]
    assert peak_rate(pitch, 30) == pytest.approx(72, abs=1)
    assert pitch.max() == pytest.approx(3.0, abs=0.1)


def test_speech_moves_the_mouth_and_only_the_mouth():
    truth = scene(simulation.Actor(PERSON, speech=simulation.Speech()), seconds=10).truth().actors[0]
    moving = {name for name in simulation.ACTION_UNITS if np.std(truth.au(name)) > 0.05}
    assert {"AU25", "AU26"} <= moving <= {"AU20", "AU23", "AU25", "AU26"}


def test_several_people_come_and_go():
    actors = (simulation.Actor(simulation.identity(1)), simulation.Actor(simulation.identity(4), present=(1.0, 3.0)))
    film = scene(actors, seconds=4)
    first, second = film.truth().actors
    assert first.visible.all()
    assert not second.visible[film.times < 1].any()
    assert second.visible[(film.times > 1.9) & (film.times < 2.1)].all()
    assert not second.visible[film.times > 3].any()
    assert np.isnan(second.box[0]).all()
    masks = film.skin(60)
    boxes = [actor.box[60] for actor in (first, second)]
    for mask, box in zip(masks, boxes, strict=True):
        across = np.flatnonzero(mask.max(0) > 0.5)
        assert box[0] - 20 < across[0]
        assert across[-1] < box[2] + 20
        assert mask[int(box[1] * 0.4 + box[3] * 0.6), int((box[0] + box[2]) / 2)] > 0.5


def test_a_hand_hides_the_face_and_its_pulse():
    film = scene(simulation.Actor(PERSON), seconds=3, occlusion=simulation.Occlusion(start=1, end=2))
    truth = film.truth().actors[0]
    assert truth.occluded[film.times < 1].max() == 0
    assert truth.occluded.max() > 0.6
    assert film.skin(45)[0].sum() < 0.6 * film.skin(0)[0].sum()


def test_black_film_cuts_and_empty_rooms():
    black = scene(seconds=0.5, black=True, noise=1.0)
    assert black.frame(0).rgb.mean() < 1
    assert not black.truth().actors[0].visible.any()
    room = simulation.Scene(actors=(), size=(320, 240), seconds=1, noise=0, cuts=(0.5,))
    frames = [frame.rgb.astype(float) for frame in room.frames()]
    change = [np.abs(b - a).mean() for a, b in pairwise(frames)]
    assert int(np.argmax(change)) == 14
    assert sum(c > 0 for c in change) == 1


def test_truth_goes_to_json_and_back(tmp_path):
    actors = (simulation.Actor(PERSON, aus={"AU12": 3.0}), simulation.Actor(simulation.identity(2), present=(0.2, 0.6)))
    truth = scene(actors, seconds=1).truth()
    truth.save(tmp_path / "truth.json")
    again = simulation.load_truth(tmp_path / "truth.json")
    for a, b in zip(truth.actors, again.actors, strict=True):
        assert (a.seed, a.skin_tone, a.amplitude) == (b.seed, b.skin_tone, b.amplitude)
        for name in ("aus", "bvp", "beats", "pose", "box", "visible", "heart_rate"):
            assert getattr(b, name) == pytest.approx(getattr(a, name), abs=1e-5, nan_ok=True)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match=r"mien\.truth/1"):
        simulation.load_truth(tmp_path / "other.json")


# --- files ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.gif", "gif"),
                                             ("a.avi", "mjpeg"), ("a.mkv", "ffv1")])
def test_files_hold_what_was_rendered(tmp_path, name, codec):
    film = scene(seconds=0.5, fps=20)
    simulation.write_video(film, tmp_path / name, codec=codec)
    with av.open(str(tmp_path / name)) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]
    assert len(frames) == 10
    off = np.abs(frames[0] - film.frame(0).rgb).mean()
    assert off < {"gif": 25, "ffv1": 1e-9}.get(codec, 8)


def test_variable_frame_rate_is_kept_in_the_file(tmp_path):
    film = scene(seconds=1.5, variable_frame_rate=True)
    steps = np.diff(film.times)
    assert steps.max() > 1.5 * steps.min()
    simulation.write_video(film, tmp_path / "v.mp4")
    with av.open(str(tmp_path / "v.mp4")) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert times == pytest.approx(film.times, abs=1e-4)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_undone_by_a_player_that_obeys_the_file(tmp_path, rotation):
    film = scene(seconds=0.2)
    simulation.write_video(film, tmp_path / "r.mp4", rotation=rotation)
    with av.open(str(tmp_path / "r.mp4")) as container:
        frame = next(container.decode(video=0))
        stored, requests = frame.to_ndarray(format="rgb24"), frame.rotation
    assert requests % 360 == (-rotation) % 360           # PyAV counts against the clock
    upright = np.rot90(stored, requests // 90)
    assert upright.shape == film.frame(0).rgb.shape
    assert np.abs(upright.astype(float) - film.frame(0).rgb).mean() < 8
    with pytest.raises(ValueError, match="rotation"):
        simulation.write_video(film, tmp_path / "r.avi", rotation=90)


# --- independence -----------------------------------------------------------------------------------------------------

def test_the_generator_knows_no_estimator():
    allowed = {"mien.core", "mien.simulation"}
    known = {"numpy", "scipy", "cv2", "av", "skimage"}
    for path in Path(simulation.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else (
                [f"mien.{a.name}" for a in node.names] if getattr(node, "module", "") == "mien" else
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            for name in names:
                top = name.split(".")[0]
                if top == "mien":
                    assert ".".join(name.split(".")[:2]) in allowed, f"{path.name} imports {name}"
                else:
                    assert top in known or top in __import__("sys").stdlib_module_names, f"{path.name} imports {name}"


def test_the_default_detector_finds_them():
    """The one test here that uses the detector of the package: three people, ahead and turned by 25 degrees."""
    from mien.face.backend import OnnxFaceBackend

    detector = OnnxFaceBackend()
    poses = np.array([[0, 0, 0], [0, 25, 0], [0, -25, 0], [10, 0, 5]], float)
    for seed in (0, 5, 9, 14):
        film = simulation.Scene(actors=(simulation.Actor(simulation.identity(seed), pose=poses),), seconds=4 / 30)
        for index, frame in enumerate(film.frames()):
            result = detector.detect(frame.rgb)
            assert len(result) == 1, f"person {seed}, pose {poses[index]}"
            x, y = (result[0].box[:2] + result[0].box[2:]) / 2
            x0, y0, x1, y1 = film.truth().actors[0].box[index]
            assert x0 - 20 < x < x1 + 20
            assert y0 < y < y1
