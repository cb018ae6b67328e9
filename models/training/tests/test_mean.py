"""The weighted mean of checkpoints."""

import unittest

import torch

from mean import mean


def checkpoint(value: float, classes: tuple[str, ...] = ("person", "car")) -> dict:
    average = {"weight": torch.full((2,), value), "batches": torch.tensor(7)}
    return {"average": average, "classes": list(classes), "step": int(value)}


class MeanTest(unittest.TestCase):
    def test_weights_are_averaged_and_the_rest_is_the_first_ones(self):
        got = mean([checkpoint(1.0), checkpoint(5.0)], [3.0, 1.0])
        torch.testing.assert_close(got["average"]["weight"], torch.full((2,), 2.0))
        self.assertEqual((got["average"]["batches"].item(), got["step"]), (7, 1))

    def test_other_classes_are_refused(self):
        with self.assertRaisesRegex(SystemExit, "different classes"):
            mean([checkpoint(1.0), checkpoint(1.0, ("dog", "car"))], [1.0, 1.0])


if __name__ == "__main__":
    unittest.main()
