"""Which outputs the loss changes under partial labels."""

import unittest

import torch

from detector.classes import IGNORE, load_classes
from detector.loss import PartialLabelLoss
from detector.network import anchor_points

HEIGHT, WIDTH = 64, 96
POINT = 20


class PartialLabels(unittest.TestCase):
    def setUp(self):
        self.classes = load_classes()
        self.points = anchor_points(HEIGHT, WIDTH)
        self.loss = PartialLabelLoss(self.classes, self.points)
        self.own = 5 + self.classes.of_seed  # first column of the second heads

    def column(self, name: str) -> int:
        """Column of a class's logit in the output."""
        row = self.classes.names.index(name)
        return 5 + row if row < self.classes.of_seed else 10 + row

    def seed(self, sees=None, score=6.0):
        """The seed's output; `sees` is the class that it sees at POINT, with a logit `score`."""
        seed = torch.full((1, len(self.points), 85), -12.0)
        seed[..., :4] = 0.0
        if sees:
            channels = self.classes.seed_channels()[1]
            seed[0, POINT, 4] = score
            seed[0, POINT, 5 + channels[self.classes.names.index(sees)]] = score
        return seed

    def gradient(self, *, boxes=(), labels=(), labelled=(), seed=None, like_seed=False, follow=1.0):
        """Gradient [N, (5 + S) + (5 + O)] of the loss for one picture, at zero or at the seed's own
        output.
        """
        output = torch.zeros(1, len(self.points), 10 + self.classes.count)
        seed = self.seed() if seed is None else seed
        if like_seed:
            channels = [0, 1, 2, 3, 4, *(5 + c for c in self.classes.seed_channels()[1])]
            output[..., : self.own] = seed[..., channels]
        output.requires_grad_(True)
        batch = {
            "boxes": [torch.tensor(list(boxes), dtype=torch.float32).reshape(-1, 4)],
            "labels": [torch.tensor(list(labels), dtype=torch.long)],
            "regions": torch.zeros(1, HEIGHT // 8, WIDTH // 8, dtype=torch.uint8),
            "known": [torch.tensor([[n in labelled for n in self.classes.names]])],
            "background": [torch.ones(1)],
            "follow": [torch.full((1,), follow)],
        }
        value, _ = self.loss(output, seed, batch)
        value.backward()
        return output.grad[0]

    def test_unlabelled_class_follows_the_seed(self):
        gradient = self.gradient(labelled=["garbage"], seed=self.seed("car"))
        self.assertLess(gradient[POINT, 4], 0)  # objectness rises
        self.assertLess(gradient[POINT, self.column("car")], 0)  # and so does the class
        self.assertGreater(gradient[POINT + 1, 4], 0)  # nothing else changes
        self.assertGreater(gradient[POINT, self.own + 4], 0)  # none of the other classes is there

    def test_the_seed_itself_is_not_moved(self):
        for score in (6.0, -1.0):
            gradient = self.gradient(
                labelled=["garbage"], seed=self.seed("car", score), like_seed=True
            )
            self.assertLess(float(gradient[:, 4 : self.own].abs().max()), 1e-6)

    def test_gap_in_the_labels_does_not_contradict_the_seed(self):
        sure = self.gradient(labelled=["car"], seed=self.seed("car"), like_seed=True)
        self.assertLess(float(sure[:, 4 : self.own].abs().max()), 1e-6)
        unsure = self.gradient(labelled=["car"], seed=self.seed("car", 0.0), like_seed=True)
        self.assertGreater(float(unsure[POINT, 4]), 0.1)

    def test_ignore_box(self):
        gradient = self.gradient(boxes=[[0, 0, WIDTH, HEIGHT]], labels=[IGNORE], like_seed=True)
        self.assertLess(float(gradient[:, : self.own].abs().max()), 1e-4)
        self.assertEqual(float(gradient[:, self.own :].abs().sum()), 0.0)

    def test_a_source_may_follow_the_seed_less(self):
        whole, half, none = (
            self.gradient(labelled=["garbage"], seed=self.seed(), follow=f)[:, 4]
            for f in (1.0, 0.5, 0.0)
        )
        self.assertGreater(float(whole.min()), 0)
        torch.testing.assert_close(half, whole / 2)
        self.assertEqual(float(none.abs().max()), 0.0)

    def test_generic_box_leaves_covered_classes_alone(self):
        label = self.classes.label_of("construction_machinery")
        gradient = self.gradient(boxes=[[16, 16, 48, 48]], labels=[label], like_seed=True)
        positive = gradient[:, self.own + 4] < 0
        self.assertTrue(positive.any())
        self.assertEqual(float(gradient[positive, self.column("excavator")].abs().sum()), 0.0)
        self.assertGreater(float(gradient[positive, self.column("garbage")].min()), 0.0)
        # It does not affect the seed's classes, and a generic vehicle does not affect the others.
        self.assertLess(float(gradient[:, : self.own].abs().max()), 1e-4)
        label = self.classes.label_of("motor_vehicle")
        gradient = self.gradient(boxes=[[0, 0, WIDTH, HEIGHT]], labels=[label], like_seed=True)
        self.assertTrue((gradient[:, 4] < -0.1).any())
        self.assertEqual(float(gradient[:, self.own :].abs().sum()), 0.0)


if __name__ == "__main__":
    unittest.main()
