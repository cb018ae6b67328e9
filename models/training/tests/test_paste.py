"""Added labels: by the teacher, and by pasted objects."""

import unittest

import numpy as np

from detector.classes import IGNORE, load_classes
from detector.dataset import Sample, add_teacher
from detector.paste import Cutout, Cutouts, blend, ground, hidden, paste
from teacher_labels import unturn

CLASSES = load_classes()
CAR = CLASSES.names.index("car")
MOTOR_VEHICLE = CLASSES.count + [g["name"] for g in CLASSES.generics].index("motor_vehicle")


def sample(boxes=(), labels=()) -> Sample:
    return Sample(
        np.full((200, 300, 3), 90, np.uint8),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.zeros(CLASSES.count, bool),
        1.0,
        False,
    )


def red_square() -> Cutout:
    """40 x 20 opaque red within 60 x 60, one decimetre per pixel."""
    picture = np.zeros((60, 60, 4), np.uint8)
    picture[20:40, 10:50] = (0, 0, 255, 255)
    return Cutout(picture, np.float32([10, 20, 50, 40]), CAR, False, 0.1)


class Teacher(unittest.TestCase):
    def test_sure_boxes_are_labels_and_faint_ones_count_for_nothing(self):
        found = [[10, 10, 50, 50, "car", 0.7], [100, 100, 150, 150, "person", 0.2]]
        self.assertEqual(add_teacher(sample(), found, CLASSES).labels.tolist(), [CAR, IGNORE])

    def test_a_labelled_box_is_kept_and_a_generic_one_gets_a_name(self):
        found = [[10, 10, 50, 50, "car", 0.7]]
        truck = CLASSES.names.index("truck")
        self.assertEqual(
            add_teacher(sample([[11, 10, 50, 50]], [truck]), found, CLASSES).labels.tolist(),
            [truck],
        )
        named = add_teacher(sample([[11, 10, 50, 50]], [MOTOR_VEHICLE]), found, CLASSES)
        self.assertEqual(named.labels.tolist(), [CAR])

    def test_boxes_of_turned_pictures_come_back(self):
        picture = np.zeros((30, 50))
        picture[5:9, 10:22] = 1
        for turns in range(4):
            y, x = np.nonzero(np.rot90(picture, turns))
            box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]])
            self.assertEqual(unturn(box, turns, 50, 30).tolist(), [[10, 5, 22, 9]])


class Paste(unittest.TestCase):
    def test_the_box_lies_around_what_was_laid(self):
        cutouts = Cutouts([red_square()])
        for seed in range(8):
            out = paste(sample(), cutouts, np.random.default_rng(seed), 1, 0.1, False)
            self.assertEqual(out.labels.tolist(), [CAR])
            y, x = np.nonzero(out.picture[..., 2].astype(int) - out.picture[..., 0] > 40)
            seen = [x.min(), y.min(), x.max() + 1, y.max() + 1]
            self.assertLessEqual(np.abs(out.boxes[0] - seen).max(), 1.5)

    def test_the_original_is_left_alone_and_things_keep_apart(self):
        before = sample()
        out = paste(before, Cutouts([red_square()]), np.random.default_rng(1), 12, 0.1, False)
        self.assertEqual(int(before.picture.max()), 90)
        self.assertGreater(len(out.boxes), 4)
        for i, a in enumerate(out.boxes):
            for b in out.boxes[i + 1 :]:
                self.assertLess(hidden(a, b), 0.25)

    def test_drawn_ground_knows_every_class(self):
        out = ground(CLASSES.count, Cutouts([red_square()]), np.random.default_rng(3))
        self.assertTrue(out.known.all())
        self.assertGreater(len(out.boxes), 0)

    def test_blending_is_cut_at_the_edge(self):
        picture = np.full((50, 50, 3), 90, np.uint8)
        blend(picture, red_square().picture, 20, 15, np.random.default_rng(0))
        blend(picture, red_square().picture, -200, 0, np.random.default_rng(0))
        self.assertGreater(int(picture[49, 49, 2]), 100)


if __name__ == "__main__":
    unittest.main()
