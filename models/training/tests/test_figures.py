"""The figures in the manifest are those of the evaluation, however often they are written."""

import tomllib
import unittest

from figures import with_figures

MANIFEST = """name = "m"

[runtime]
threads = 1

[[classes]]
name = "car"
kind = "vehicle"
threshold = 0.35

[[classes]]
name = "umbrella"
threshold = 0.30
"""
TRAINING = {"boxes": {"car": 20, "umbrella": 3}}
EVALUATION = {
    "classes": {
        "car": {"boxes": 7, "precision": 0.61234, "recall": None},
        "umbrella": {"boxes": 0, "precision": None, "recall": None},
    }
}


class Figures(unittest.TestCase):
    def test_each_class_gets_its_own_and_writing_again_changes_nothing(self):
        text = with_figures(MANIFEST, TRAINING, EVALUATION)
        car, umbrella = tomllib.loads(text)["classes"]
        self.assertEqual(
            car["measured"],
            {"training_boxes": 20, "test_boxes": 7, "shown_on": "real", "precision": 0.612},
        )
        self.assertEqual(umbrella["measured"], {"training_boxes": 3, "test_boxes": 0})
        self.assertEqual((car["kind"], umbrella["threshold"]), ("vehicle", 0.30))
        self.assertEqual(with_figures(text, TRAINING, EVALUATION), text)


if __name__ == "__main__":
    unittest.main()
