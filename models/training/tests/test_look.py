"""The second look: crops, possible classes, loss, export, bounds, the shipped model's answers."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from detector.classes import HERE
from detector.dataset import iou
from look import crops
from look.classify import Classifier, load
from look.examples import UNCLEAR, collect, is_apart, load_look_classes
from look.export import as_onnx, largest_difference, round_weights
from look.network import Look
from look.score import Detection, fit
from look.train import set_loss

SHIPPED = HERE.parent / "lintel-look"
SOURCE = "adeirman46/Level2-FSD"


class Crops(unittest.TestCase):
    def test_a_crop_is_a_square_with_context_around_the_centre(self):
        self.assertEqual(crops.square([100, 50, 200, 90]), (80, 0, 140))

    def test_what_lies_outside_the_picture_is_padding(self):
        picture = np.full((40, 60, 3), 200, np.uint8)
        crop = crops.cut(picture, [0, 0, 20, 20])
        self.assertEqual(crop.shape, (28, 28, 3))
        self.assertTrue((crop[:4] == crops.PAD).all() and (crop[:, :4] == crops.PAD).all())
        self.assertTrue((crop[4:, 4:] == 200).all())

    def test_a_moved_box_still_overlaps_by_a_half(self):
        rng = np.random.default_rng(3)
        box = [10.0, 20.0, 70.0, 50.0]
        overlaps = [iou(box, crops.jittered(box, rng)) for _ in range(50)]
        self.assertGreaterEqual(min(overlaps), 0.5)
        self.assertLess(min(overlaps), 0.9)

    def test_worse_crops_keep_the_size_and_differ(self):
        rng = np.random.default_rng(0)
        crop = rng.integers(0, 255, (90, 90, 3), dtype=np.uint8)
        made = [crops.worse(crop, rng) for _ in range(4)]
        self.assertTrue(all(m.shape == (224, 224, 3) and m.dtype == np.uint8 for m in made))
        self.assertFalse((made[0] == made[1]).all())


class Places(unittest.TestCase):
    def coco(self, labelled: list[str]) -> dict:
        record = {"id": 1, "source": SOURCE, "file_name": "a.jpg", "width": 500, "height": 400}
        return {
            "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "motor_vehicle"}],
            "images": [record | {"labelled_classes": labelled}],
            "annotations": [
                {"image_id": 1, "category_id": 1, "bbox": [10, 10, 60, 40]},
                {"image_id": 1, "category_id": 2, "bbox": [300, 10, 60, 40]},
            ],
        }

    def places(self, labelled, found, ours=()):
        classes = load_look_classes()
        ours = {"a.jpg": list(ours)}
        return classes, collect(self.coco(labelled), {"a.jpg": found}, classes, ours)

    def names(self, classes, place):
        return {n for n, w in zip(classes.names, place.weights, strict=True) if w}

    def test_a_box_of_any_vehicle_may_be_one_of_several_classes(self):
        classes, places = self.places(["car"], [])
        labels = [self.names(classes, p) for p in places if p.kind == "label"]
        self.assertEqual(labels, [{"car"}, {"car", "truck", "bus", "dump_truck"}])

    def test_a_wrong_proposal_is_anything_but_a_labelled_class(self):
        far = [100, 200, 160, 260, "car", 0.4, "whole"]
        classes, places = self.places(["car", "truck"], [far])
        (place,) = [p for p in places if p.kind == "proposal"]
        self.assertTrue({"person", "container"} <= self.names(classes, place))
        self.assertFalse({"car", "truck"} & self.names(classes, place))

    def test_a_proposal_says_nothing_where_its_class_is_not_labelled_or_a_box_is_near(self):
        found = [[12, 12, 68, 48, "car", 0.9, "whole"], [100, 200, 160, 260, "dog", 0.4, "whole"]]
        _, places = self.places(["car"], found)
        self.assertFalse([p for p in places if p.kind == "proposal"])

    def test_our_word_replaces_a_proposal_and_unclear_removes_it(self):
        far = [100, 200, 160, 260, "car", 0.4, "whole"]
        _, places = self.places(["car"], [far], [[100, 200, 160, 260, "container"]])
        self.assertEqual([p.kind for p in places if p.boxes[0][1] == 200], ["ours"])
        _, places = self.places(["car"], [far], [[100, 200, 160, 260, UNCLEAR]])
        self.assertFalse([p for p in places if p.kind in ("ours", "proposal")])

    def test_a_part_of_a_thing_is_not_apart_from_it(self):
        self.assertFalse(is_apart([20, 20, 30, 30], [[0, 0, 100, 100]]))
        self.assertFalse(is_apart([0, 0, 100, 100], [[20, 20, 30, 30]]))
        self.assertTrue(is_apart([0, 0, 10, 10], [[20, 20, 30, 30]]))


class Loss(unittest.TestCase):
    def test_of_one_class_it_is_cross_entropy(self):
        logits = torch.tensor([[1.0, 2.0, -1.0]])
        ours = set_loss(logits, torch.tensor([[0.0, 1.0, 0.0]]))
        theirs = torch.nn.functional.cross_entropy(logits, torch.tensor([1]))
        self.assertAlmostEqual(float(ours), float(theirs), places=4)

    def test_of_several_it_asks_for_their_sum(self):
        possible = torch.tensor([[1.0, 1.0, 0.0]])
        self.assertLess(float(set_loss(torch.tensor([[5.0, -5.0, -5.0]]), possible)), 0.01)
        self.assertLess(float(set_loss(torch.tensor([[-5.0, 5.0, -5.0]]), possible)), 0.01)
        self.assertGreater(float(set_loss(torch.tensor([[-5.0, -5.0, 5.0]]), possible)), 5)


class Export(unittest.TestCase):
    def test_onnx_runtime_agrees_with_the_network(self):
        torch.manual_seed(0)
        look = Look(3)
        round_weights(look)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            as_onnx(look, path)
            self.assertLess(largest_difference(look, path, 2), 1e-3)
            self.assertLess(path.stat().st_size, 8e6)


class Bounds(unittest.TestCase):
    def detections(self, said, true, probabilities):
        return [
            Detection("a.jpg", "s", [0, 0, 9, 9], said, 0.9, true, probability=p)
            for p in probabilities
        ]

    def test_few_true_detections_are_denied(self):
        found = self.detections("car", True, np.linspace(0.2, 1.0, 100))
        found += self.detections("car", False, np.linspace(0.0, 0.6, 50))
        bounds = fit(found, {"car": 0.3})["car"]
        denied = np.mean([d.probability < bounds["deny"] for d in found if d.true])
        self.assertLessEqual(denied, 0.02)
        self.assertGreater(bounds["confirm"], 0.5)

    def test_a_word_that_separates_nothing_or_is_not_measured_is_not_taken(self):
        same = np.linspace(0.5, 1.0, 100)
        found = self.detections("car", True, same) + self.detections("car", False, same)
        found += self.detections("dog", True, [0.9] * 3) + self.detections("dog", False, [0.1] * 3)
        self.assertEqual(fit(found, {"car": 0.3, "dog": 0.3}), {})


class Shipped(unittest.TestCase):
    def test_the_model_answers_as_expected_json_says(self):
        expected = json.loads((SHIPPED / "expected.json").read_text(encoding="utf-8"))
        model = Classifier(SHIPPED)
        self.assertEqual(model.names, load_look_classes().names)
        self.assertGreaterEqual(len(expected["crops"]), 8)
        for row in expected["crops"]:
            picture = load(HERE.parents[1] / expected["pictures"] / row["file"])
            answer = dict(zip(model.names, model(picture, [row["box"]])[0], strict=True))
            self.assertEqual(max(answer, key=answer.get), row["class"])
            for name, p in row["probabilities"].items():
                self.assertAlmostEqual(float(answer[name]), p, delta=expected["tolerance"])

    def test_every_name_of_ours_is_a_class(self):
        names = {*load_look_classes().names, UNCLEAR}
        for file in ("look.json", "look-dev.json"):
            boxes = json.loads((HERE / "labels" / file).read_text(encoding="utf-8"))["boxes"]
            for picture, rows in boxes.items():
                for x1, y1, x2, y2, name in rows:
                    self.assertTrue(x1 < x2 and y1 < y2, (picture, x1, y1, x2, y2))
                    self.assertIn(name, names, picture)


if __name__ == "__main__":
    unittest.main()
