"""Our own labels, added to those of a source."""

import json
import tempfile
import unittest
from pathlib import Path

from detector.classes import HERE, load_sources
from detector.dataset import read_pictures


class Labels(unittest.TestCase):
    def test_only_the_pictures_of_the_source_that_have_been_looked_at_get_them(self):
        source = next(name for name, row in load_sources().items() if "labels" in row)
        ours = json.loads((HERE / load_sources()[source]["labels"]).read_text(encoding="utf-8"))
        looked_at, boxes = next((name, boxes) for name, boxes in ours["boxes"].items() if boxes)
        coco = {
            "categories": [{"id": n, "name": name} for n, name in enumerate(ours["classes"])],
            "images": [
                {
                    "id": 1,
                    "source": source,
                    "file_name": looked_at,
                    "labelled_classes": ["vendor_stall"],
                },
                {
                    "id": 2,
                    "source": source,
                    "file_name": "never seen.jpg",
                    "labelled_classes": ["vendor_stall"],
                },
                {"id": 3, "source": "another", "file_name": looked_at, "labelled_classes": []},
            ],
            "annotations": [],
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "coco.json"
            path.write_text(json.dumps(coco), encoding="utf-8")
            out = read_pictures(path, load_sources())
        self.assertEqual(
            [len(i["labelled_classes"]) for i in out["images"]], [1 + len(ours["classes"]), 1, 0]
        )
        self.assertEqual([a["image_id"] for a in out["annotations"]], [1] * len(boxes))
        x1, y1, x2, y2, name = boxes[0]
        first = out["annotations"][0]
        self.assertEqual(first["bbox"], [x1, y1, x2 - x1, y2 - y1])
        self.assertEqual(ours["classes"][first["category_id"]], name)

    def test_every_box_of_ours_is_in_its_picture_and_of_a_class_of_the_file(self):
        for row in load_sources().values():
            if "labels" not in row:
                continue
            ours = json.loads((HERE / row["labels"]).read_text(encoding="utf-8"))
            for name, boxes in ours["boxes"].items():
                for x1, y1, x2, y2, label in boxes:
                    self.assertTrue(0 <= x1 < x2 and 0 <= y1 < y2, (name, x1, y1, x2, y2))
                    self.assertIn(label, ours["classes"], name)


if __name__ == "__main__":
    unittest.main()
