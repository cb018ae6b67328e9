"""The change head: shapes, and symmetry in before and after."""

import unittest

import cv2
import numpy as np
import torch

from change.composites import SIDE, appearance, earth
from change.network import ChangeHead
from change.train import loss_of
from detector.network import Backbone


class ChangeHeadTest(unittest.TestCase):
    def test_before_and_after_may_be_exchanged(self):
        torch.manual_seed(1)
        head = ChangeHead(Backbone()).eval()
        before, after = (torch.rand(2, 3, 64, 96) * 255 for _ in range(2))
        with torch.no_grad():
            there, back = head(before, after), head(after, before)
        self.assertEqual(there.shape, (2, 1, 64, 96))
        self.assertLess(float((there - back).abs().max()), 1e-4)

    def test_a_right_answer_costs_less_than_none_and_than_a_wrong_one(self):
        mask = torch.zeros(1, 1, 32, 32)
        mask[..., 8:16, 8:16] = 1
        right, none, wrong = (
            float(loss_of(6 * m - 3, mask)) for m in (2 * mask - 0.5, 0 * mask, 1.5 - 2 * mask)
        )
        self.assertLess(right, none)
        self.assertLess(none, wrong)


class AppearanceTest(unittest.TestCase):
    def test_another_day_keeps_what_stands_where_it_is(self):
        rng = np.random.default_rng(3)
        ground = earth(SIDE + 16, rng)
        cv2.rectangle(ground, (100, 100), (160, 150), (230, 230, 230), -1)
        before, after = (appearance(ground, rng) for _ in range(2))
        self.assertEqual((before.shape, before.dtype), ((SIDE, SIDE, 3), np.uint8))
        small = [
            cv2.GaussianBlur(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), (0, 0), 4).astype(float).ravel()
            for p in (before, after)
        ]
        self.assertGreater(np.corrcoef(*small)[0, 1], 0.7)


if __name__ == "__main__":
    unittest.main()
