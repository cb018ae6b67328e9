"""Exports: fewer classes, and suppression inside."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import reference
from detector.export import add_nms, export_onnx, keep_classes
from detector.network import YoloxNano

WIDTH, HEIGHT = 96, 64


class Export(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)
        self.network = YoloxNano(4).eval()
        for head in self.network.heads:  # so that a few points are surer than the floor
            head.class_logits.weight.data *= 40
            head.objectness.weight.data *= 40
        self.pixels = np.random.default_rng(0).uniform(0, 255, (1, 3, HEIGHT, WIDTH)).astype(np.float32)

    def test_kept_classes_give_what_they_gave(self):
        smaller = keep_classes(self.network, ["a", "b", "c", "d"], ["d", "b"])
        with torch.no_grad():
            whole, part = self.network(torch.from_numpy(self.pixels)), smaller(torch.from_numpy(self.pixels))
        torch.testing.assert_close(part, whole[..., [0, 1, 2, 3, 4, 6, 8]])

    def test_suppression_inside_equals_suppression_outside(self):
        with tempfile.TemporaryDirectory() as name:
            outside, inside = Path(name) / "a.onnx", Path(name) / "b.onnx"
            export_onnx(self.network, outside, WIDTH, HEIGHT)
            add_nms(outside, inside, WIDTH, HEIGHT, floor=0.3, iou=0.5, most=50)
            run = lambda path: onnxruntime.InferenceSession(str(path)).run(None, {"images": self.pixels})  # noqa: E731
            raw, rows = run(outside)[0], run(inside)[0][0]
        boxes, scores, classes = reference.decode("yolox", {"output": raw}, WIDTH, HEIGHT)
        sure = scores >= 0.3
        boxes, scores, classes = boxes[sure], scores[sure], classes[sure]
        kept = reference.nms(boxes, scores, classes, 0.5)[:50]
        self.assertGreater(len(kept), 3)
        found = rows[rows[:, 4] > 0]
        self.assertEqual(len(found), len(kept))
        np.testing.assert_allclose(found[:, 4], scores[kept], atol=1e-5)
        np.testing.assert_allclose(found[:, :4], boxes[kept], rtol=1e-3, atol=1e-2)
        self.assertEqual(found[:, 5].astype(int).tolist(), classes[kept].tolist())
        self.assertFalse(rows[len(found) :].any(), "zeros fill the rest up")


if __name__ == "__main__":
    unittest.main()
