"""The reference detector's steps, on inputs small enough to check by hand."""

import unittest

import numpy as np

from reference import decode, letterbox, nms, resize_bilinear

SPEC = {"width": 8, "height": 4, "letterbox": "top_left", "pad": 114}


def grey(height, width, value):
    return np.full((height, width, 3), value, dtype=np.uint8)


class Letterbox(unittest.TestCase):
    def check(self, letterbox_kind, picture, placement, filled):
        canvas, at = letterbox(picture, SPEC | {"letterbox": letterbox_kind})
        self.assertEqual((at.scale_x, at.scale_y, at.left, at.top), placement)
        self.assertEqual(canvas.shape, (4, 8, 3))
        self.assertEqual((canvas[..., 0] == 7).sum(axis=1).tolist(), filled)

    def test_top_left(self):
        self.check("top_left", grey(8, 8, 7), (0.5, 0.5, 0, 0), [4, 4, 4, 4])

    def test_center(self):
        self.check("center", grey(8, 8, 7), (0.5, 0.5, 2, 0), [4, 4, 4, 4])

    def test_stretch(self):
        self.check("stretch", grey(8, 8, 7), (1.0, 0.5, 0, 0), [8, 8, 8, 8])

    def test_halves_round_up(self):
        _, at = letterbox(grey(3, 16, 7), SPEC)  # 3 * 0.5 = 1.5 -> 2 rows
        self.assertEqual(at.scale_y, 2 / 3)


class Resize(unittest.TestCase):
    def test_half_pixel_centres(self):
        picture = np.repeat(np.array([[0, 100]], dtype=np.uint8)[..., None], 3, axis=2)
        row = resize_bilinear(picture, 4, 1)[0, :, 0]
        self.assertEqual(row.tolist(), [0, 25, 75, 100])

    def test_no_antialiasing(self):
        picture = np.zeros((1, 8, 3), dtype=np.uint8)
        picture[0, 0] = 255  # falls between the taps of a fourfold reduction
        self.assertEqual(resize_bilinear(picture, 2, 1)[0, :, 0].tolist(), [0, 0])


class Heads(unittest.TestCase):
    def test_yolox_offsets(self):
        rows = np.zeros((1, 64 // 8 * 4 + 4 * 2 + 2 * 1, 6), dtype=np.float32)  # 64x32
        rows[0, 9] = [0.5, 0.5, np.log(2.0), 0.0, 0.5, 0.8]  # stride 8, row 1, column 1
        boxes, scores, _ = decode("yolox", {"output": rows}, 64, 32)
        np.testing.assert_allclose(boxes[9], [4, 8, 20, 16], atol=1e-4)
        self.assertAlmostEqual(float(scores[9]), 0.4, places=5)

    def test_wrong_size_is_named(self):
        with self.assertRaisesRegex(ValueError, "width and height"):
            decode("yolox", {"output": np.zeros((1, 10, 6), dtype=np.float32)}, 64, 32)


class Suppression(unittest.TestCase):
    BOXES = np.float32([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [20, 0, 30, 10]])
    SCORES = np.float32([0.5, 0.9, 0.4, 0.3])

    def test_per_class(self):
        kept = nms(self.BOXES, self.SCORES, np.array([0, 0, 1, 0]), np.array([0.5, 0.5]))
        self.assertEqual(kept.tolist(), [1, 2, 3])
        kept = nms(self.BOXES, self.SCORES, np.array([0, 0, 1, 0]), np.array([0.95, 0.5]))
        self.assertEqual(kept.tolist(), [1, 0, 2, 3], "class 0 allows more")


if __name__ == "__main__":
    unittest.main()
