"""Pairing of two results files, box by box."""

import unittest

from compare_exports import boxes, compare, nearest, table


def result(picture, kind, x, y, w, h, score):
    return {"image_id": picture, "category_id": kind, "bbox": [x, y, w, h], "score": score}


class Compare(unittest.TestCase):
    def test_boxes_are_paired_once_by_picture_and_class(self):
        first, second = result(1, 1, 10, 10, 100, 50, 0.9), result(1, 1, 11, 10, 100, 50, 0.5)
        ours = boxes([first, second, result(2, 1, 0, 0, 9, 9, 0.4)])
        theirs = boxes([result(1, 1, 10, 10, 100.5, 50, 0.8), result(1, 2, 11, 10, 100, 50, 0.5)])
        outcome = compare(ours, theirs, limit=0.9, floor=0.1)
        self.assertEqual([(p.ours.score, p.theirs.score) for p in outcome.pairs], [(0.9, 0.8)])
        self.assertEqual([b.score for b in outcome.only_ours], [0.5, 0.4])
        self.assertEqual([b.kind for b in outcome.only_theirs], [2])
        self.assertAlmostEqual(outcome.pairs[0].pixels, 0.5)
        self.assertAlmostEqual(outcome.share, 0.25)
        self.assertIn("| all | 1 | 2 | 1 | 0.250 | 0.500, 0.500 |", table(outcome, {}))
        self.assertIn("overlap 1.00", nearest(outcome.only_theirs[0], ours, {}))

    def test_a_box_on_either_side_of_the_floor_is_no_miss(self):
        ours, theirs = (
            boxes([result(1, 1, 0, 0, 10, 10, 0.301)]),
            boxes([result(1, 1, 0, 0, 10, 10, 0.299)]),
        )
        self.assertEqual(compare(ours, theirs, limit=0.9, floor=0.3).share, 1.0)
        self.assertEqual(len(compare(ours, [], limit=0.9, floor=0.3).only_ours), 1)
        self.assertEqual(len(compare([], theirs, limit=0.9, floor=0.3).only_theirs), 0)
        self.assertEqual(compare([], [], limit=0.9, floor=0.3).share, 1.0)


if __name__ == "__main__":
    unittest.main()
