"""Maps of scores are found again from data that follows one, and refused where they mislead."""

import tomllib
import unittest

import numpy as np

from calibrate_scores import Scored, cross_validated, fit, helped, reliability, told, with_maps


def drawn(slope: float, shift: float, seed: int, count: int = 4000) -> Scored:
    """Detections whose share of right ones follows a map, in two parts."""
    random = np.random.default_rng(seed)
    scores = random.uniform(0.1, 0.95, count)
    right = random.random(count) < told(scores, (slope, shift))
    return Scored(scores, right, random.integers(0, 2, count), boxes=500)


class Maps(unittest.TestCase):
    def test_the_map_that_made_the_data_is_found(self):
        slope, shift = fit(drawn(1.6, -0.8, seed=1))
        self.assertAlmostEqual(slope, 1.6, delta=0.15)
        self.assertAlmostEqual(shift, -0.8, delta=0.15)

    def test_a_map_makes_such_scores_reliable_on_the_other_part(self):
        scored = drawn(1.6, -0.8, seed=2)
        before = reliability(scored.scores, scored.right)[1]
        after = reliability(cross_validated(scored), scored.right)[1]
        self.assertGreater(before, 0.1)
        self.assertLess(after, 0.03)

    def test_parts_that_disagree_few_boxes_and_one_part_give_no_map(self):
        one, other = drawn(1.0, 2.0, seed=3), drawn(1.0, -2.0, seed=4)
        both = Scored(
            np.concatenate([one.scores, other.scores]),
            np.concatenate([one.right, other.right]),
            np.repeat([0, 1], one.scores.size),
            boxes=500,
        )
        few = drawn(1.6, -0.8, seed=5)
        few.boxes = 12
        alone = drawn(1.6, -0.8, seed=6)
        alone.part[:] = 0
        good = drawn(1.6, -0.8, seed=7)
        classes = {"both": both, "few": few, "alone": alone, "good": good}
        self.assertEqual(list(helped(classes)), ["good"])

    def test_maps_are_written_once_into_their_class(self):
        classes = "".join(f'\n[[classes]]\nname = "{n}"\nthreshold = 0.3\n' for n in "ab")
        text = f'name = "m"\n{classes}'
        again = with_maps(with_maps(text, {"b": (1.0, 0.5)}), {"b": (1.2, -0.1)})
        first, second = tomllib.loads(again)["classes"]
        self.assertNotIn("confidence", first)
        self.assertEqual(second["confidence"], {"slope": 1.2, "shift": -0.1})


if __name__ == "__main__":
    unittest.main()
