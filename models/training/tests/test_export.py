"""Exports with fewer classes, and with built-in suppression."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F

import reference
from detector.export import add_nms, export_onnx, head_kind, keep_classes
from detector.network import YoloxNano, anchor_points, decode_boxes, unfold_focus

WIDTH, HEIGHT = 96, 64


class Export(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)
        self.one, self.two = YoloxNano(4).eval(), YoloxNano(2, 3).eval()
        for head in [
            *self.one.heads,
            *self.two.heads,
            *self.two.own_heads,
        ]:  # a few points are surer than the floor
            head.class_logits.weight.data *= 40
            head.objectness.weight.data *= 40
        self.pixels = (
            np.random.default_rng(0).uniform(0, 255, (1, 3, HEIGHT, WIDTH)).astype(np.float32)
        )

    def outputs(self, path):
        session = onnxruntime.InferenceSession(str(path))
        return session.run(None, {"images": self.pixels})

    def test_kept_classes_give_what_they_gave(self):
        smaller = keep_classes(self.two, ["a", "b", "c", "d", "e"], ["e", "b", "c"])
        with torch.no_grad():
            whole, part = (
                self.two(torch.from_numpy(self.pixels)),
                smaller(torch.from_numpy(self.pixels)),
            )
        torch.testing.assert_close(part, whole[..., [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 14]])

    @torch.no_grad()
    def test_two_sets_of_heads_become_rows_in_pixels(self):
        raw = self.two(torch.from_numpy(self.pixels))[0]
        self.two.probabilities = True
        rows = self.two(torch.from_numpy(self.pixels))[0]
        self.two.probabilities = False
        points = anchor_points(HEIGHT, WIDTH)
        count = len(points)
        self.assertEqual(rows.shape, (2 * count, 10))
        torch.testing.assert_close(rows[:count, :4], decode_boxes(raw[:, :4], points))
        torch.testing.assert_close(rows[count:, :4], decode_boxes(raw[:, 7:11], points))
        torch.testing.assert_close(rows[:count, 4:7], raw[:, 4:7].sigmoid())
        torch.testing.assert_close(rows[count:, [4, 7, 8, 9]], raw[:, 11:].sigmoid())
        self.assertFalse(rows[:count, 7:].any() or rows[count:, 5:7].any())

    def test_focus_as_one_convolution(self):
        weight = torch.randn(16, 12, 3, 3)
        x = torch.randn(1, 3, 12, 16)
        blocks = [x[..., 0::2, 0::2], x[..., 1::2, 0::2], x[..., 0::2, 1::2], x[..., 1::2, 1::2]]
        published = F.conv2d(torch.cat(blocks, dim=1), weight, padding=1)
        torch.testing.assert_close(
            F.conv2d(x, unfold_focus(weight), stride=2, padding=2), published, rtol=1e-4, atol=1e-4
        )

    def test_suppression_inside_equals_suppression_outside(self):
        for network in (self.one, self.two):
            with self.subTest(kind=head_kind(network)):
                self.suppression(network)

    def suppression(self, network):
        with tempfile.TemporaryDirectory() as name:
            outside, inside = Path(name) / "a.onnx", Path(name) / "b.onnx"
            export_onnx(network, outside, WIDTH, HEIGHT)
            ious = np.float32([0.3, 0.7, 0.3, 0.7, 0.3])[: 4 if network is self.one else 5]
            add_nms(
                outside,
                inside,
                WIDTH,
                HEIGHT,
                kind=head_kind(network),
                floor=0.3,
                ious=ious,
                most=50,
            )
            raw, rows = self.outputs(outside)[0], self.outputs(inside)[0][0]
        boxes, scores, classes = reference.decode(
            head_kind(network), {"output": raw}, WIDTH, HEIGHT
        )
        sure = scores >= 0.3
        boxes, scores, classes = boxes[sure], scores[sure], classes[sure]
        kept = reference.nms(boxes, scores, classes, ious)[:50]
        self.assertGreater(len(kept), 3)
        found = rows[rows[:, 4] > 0]
        self.assertEqual(len(found), len(kept))
        np.testing.assert_allclose(found[:, 4], scores[kept], atol=1e-5)
        np.testing.assert_allclose(found[:, :4], boxes[kept], rtol=1e-3, atol=1e-2)
        self.assertEqual(found[:, 5].astype(int).tolist(), classes[kept].tolist())
        self.assertFalse(rows[len(found) :].any(), "zeros fill the rest up")


if __name__ == "__main__":
    unittest.main()
