"""What partial labels may and may not teach."""

import unittest

import torch

from detector.classes import IGNORE, load_classes
from detector.loss import PartialLabelLoss
from detector.network import anchor_points

HEIGHT, WIDTH = 64, 96


class PartialLabels(unittest.TestCase):
    def setUp(self):
        self.classes = load_classes()
        self.points = anchor_points(HEIGHT, WIDTH)
        self.loss = PartialLabelLoss(self.classes, self.points)

    def gradient(self, *, boxes=(), labels=(), labelled=(), seed_sees=None):
        """Gradient [N, 5 + C] of the loss for one picture; `seed_sees` is (class name, point)."""
        output = torch.zeros(1, len(self.points), 5 + self.classes.count, requires_grad=True)
        seed = torch.full((1, len(self.points), 85), -12.0)
        seed[..., :4] = 0.0
        if seed_sees:
            name, point = seed_sees
            own, coco = self.classes.seed_channels()
            seed[0, point, 4] = 6.0
            seed[0, point, 5 + coco[own.index(self.classes.names.index(name))]] = 6.0
        known = torch.tensor([[n in labelled for n in self.classes.names]])
        batch = {
            "boxes": [torch.tensor(list(boxes), dtype=torch.float32).reshape(-1, 4)],
            "labels": [torch.tensor(list(labels), dtype=torch.long)],
            "regions": torch.zeros(1, HEIGHT // 8, WIDTH // 8, dtype=torch.uint8),
            "known": [known],
            "background": [torch.ones(1)],
        }
        value, _ = self.loss(output, seed, batch)
        value.backward()
        return output.grad[0]

    def test_unlabelled_class_follows_the_seed(self):
        point, car = 20, 5 + self.classes.names.index("car")
        gradient = self.gradient(labelled=["garbage"], seed_sees=("car", point))
        self.assertLess(gradient[point, 4], 0)  # objectness rises
        self.assertLess(gradient[point, car], 0)  # and so does the class
        self.assertGreater(gradient[point + 1, 4], 0)  # background beside it

    def test_gap_in_the_labels_counts_for_nothing(self):
        gradient = self.gradient(labelled=["car"], seed_sees=("car", 20))
        self.assertEqual(float(gradient[20].abs().sum()), 0.0)

    def test_ignore_box(self):
        gradient = self.gradient(boxes=[[0, 0, WIDTH, HEIGHT]], labels=[IGNORE])
        self.assertEqual(float(gradient.abs().sum()), 0.0)

    def test_generic_box_leaves_covered_classes_alone(self):
        label = self.classes.label_of("construction_machinery")
        gradient = self.gradient(boxes=[[16, 16, 48, 48]], labels=[label])
        positive = gradient[:, 4] < 0
        self.assertTrue(positive.any())
        names = self.classes.names
        self.assertEqual(float(gradient[positive, 5 + names.index("excavator")].abs().sum()), 0.0)
        self.assertGreater(float(gradient[positive, 5 + names.index("person")].min()), 0.0)


if __name__ == "__main__":
    unittest.main()
