"""Reads the times and pictures of a scene for the report."""

import subprocess
from datetime import datetime

import numpy as np


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def pictures_of(scene, size):
    """Yields all pictures of the video: uint8 [height, width, 3], BGR."""
    w, h = size
    decode = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(scene)]
    command = [*decode, *"-f rawvideo -pix_fmt bgr24 -".split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ffmpeg:
        while len(data := ffmpeg.stdout.read(w * h * 3)) == w * h * 3:
            yield np.frombuffer(data, np.uint8).reshape(h, w, 3)
