"""Renders cut-outs: one model alone with its shadow, seen from a mast or a drone, on transparency.

    python cutouts.py --out runs/synth/cutouts --count 400 --first 0

Writes PNG files with alpha (the shadow is part of them), and one line per picture in cutouts.jsonl:
{file, class, box [x1, y1, x2, y2] of the object without its shadow, pitch in degrees below the
horizon, metres per pixel}. Picture k depends only on k, so a stopped run can continue.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import bpy
import machines
import numpy as np
import site_models as site
import vehicles
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from shapes import Builder

SIDE = 208  # side of a cut-out in pixels
VIEWS = 3  # cut-outs of one model
MODELS = {
    "car": vehicles.car,
    "truck": vehicles.truck,
    "bus": vehicles.bus,
    "dump_truck": vehicles.dump_truck,
    "concrete_mixer": vehicles.concrete_mixer,
    "tricycle": vehicles.tricycle,
    "motorcycle": vehicles.motorcycle,
    "person": vehicles.person,
    "excavator": machines.excavator,
    "loader_dozer": machines.loader_dozer,
    "road_roller": machines.road_roller,
    "crane": machines.crane,
    "soil_pile": site.soil_pile,
    "brick_pile": site.brick_pile,
    "rebar": site.rebar,
    "scaffolding": site.scaffolding,
    "dust_net": site.dust_net,
    "tarpaulin": site.tarpaulin,
    "awning": site.awning,
    "colour_steel_shed": site.colour_steel_shed,
    "umbrella": site.umbrella,
    "vendor_stall": site.vendor_stall,
}
# How many of 35 models are of each class: most for what is common on streets and sites.
SHARES = {"car": 6, "truck": 3, "bus": 2, "dump_truck": 3, "excavator": 3, "loader_dozer": 2}
ORDER = [name for name in MODELS for _ in range(SHARES.get(name, 1))]


def start_scene(side_x: int, side_y: int, samples: int, transparent: bool):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 2
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.use_persistent_data = True
    scene.render.resolution_x, scene.render.resolution_y = side_x, side_y
    scene.render.film_transparent = transparent
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA" if transparent else "RGB"
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    return scene


def light(scene, rng) -> None:
    """Sun and sky: clear noon to overcast."""
    for old in [o for o in scene.objects if o.type == "LIGHT"]:
        bpy.data.objects.remove(old)
    lamp = bpy.data.lights.new("sun", "SUN")
    cloud = rng.random()
    lamp.energy = float(rng.uniform(0.3, 1.0) if cloud < 0.35 else rng.uniform(2.0, 4.5))
    lamp.angle = float(rng.uniform(0.3, 1.0) if cloud < 0.35 else 0.01)
    lamp.color = (1, float(rng.uniform(0.88, 1)), float(rng.uniform(0.75, 1)))
    sun = bpy.data.objects.new("sun", lamp)
    high = math.radians(rng.uniform(20, 80))
    sun.rotation_euler = (math.pi / 2 - high, 0, float(rng.uniform(0, 2 * math.pi)))
    scene.collection.objects.link(sun)
    sky = scene.world.node_tree.nodes["Background"].inputs
    sky["Color"].default_value = (
        float(rng.uniform(0.65, 0.95)),
        float(rng.uniform(0.8, 0.98)),
        1,
        1,
    )
    sky["Strength"].default_value = float(rng.uniform(0.5, 1.1))


def aim(scene, centre, distance: float, pitch: float, heading: float, angle: float) -> None:
    """Camera at `distance` from centre, looking down by `pitch`; all angles in radians."""
    camera = scene.camera
    if camera is None:
        camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        scene.collection.objects.link(camera)
        scene.camera = camera
    camera.data.angle = angle
    camera.data.clip_end = 5000
    away = Vector(
        (math.cos(pitch) * math.cos(heading), math.cos(pitch) * math.sin(heading), math.sin(pitch))
    )
    camera.location = Vector(centre) + away * distance
    camera.rotation_euler = (-away).to_track_quat("-Z", "Y").to_euler()
    bpy.context.view_layer.update()


def seen_box(scene, thing) -> tuple[np.ndarray, np.ndarray]:
    """Box of all vertices in pixels [x1, y1, x2, y2], and the vertices' pixels [n, 2]."""
    render = scene.render
    at = [
        world_to_camera_view(scene, scene.camera, thing.matrix_world @ v.co)
        for v in thing.data.vertices
    ]
    pixels = np.array([[p.x * render.resolution_x, (1 - p.y) * render.resolution_y] for p in at])
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]), pixels


def make(number: int, folder: Path) -> list[dict]:
    """Renders VIEWS cut-outs of model `number`."""
    rng = np.random.default_rng((20, number))
    name = ORDER[number % len(ORDER)]
    scene = start_scene(SIDE, SIDE, 10, transparent=True)
    builder = Builder(rng)
    MODELS[name](builder)
    thing = builder.finish(name)
    bpy.ops.mesh.primitive_plane_add(size=400)
    bpy.context.object.is_shadow_catcher = True
    corners = np.array(builder.vertices)
    centre = (corners.min(axis=0) + corners.max(axis=0)) / 2
    radius = float(np.linalg.norm(corners - centre, axis=1).max())
    rows = []
    for view in range(VIEWS):
        light(scene, rng)
        # A third from straight above, the rest like masts and tilted drones.
        pitch = rng.uniform(75, 90) if rng.random() < 0.36 else rng.uniform(15, 70)
        angle = math.radians(rng.uniform(4, 25))
        distance = radius * 1.25 / math.sin(angle / 2)
        aim(scene, centre, distance, math.radians(pitch), rng.uniform(0, 2 * math.pi), angle)
        box, _ = seen_box(scene, thing)
        file = f"{number:04d}_{view}.png"
        scene.render.filepath = str(folder / file)
        bpy.ops.render.render(write_still=True)
        rows.append(
            {
                "file": file,
                "class": name,
                "box": [round(float(v), 1) for v in box],
                "pitch": round(float(pitch), 1),
                "metres_per_pixel": round(2 * distance * math.tan(angle / 2) / SIDE, 4),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Renders cut-outs with alpha.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0, help="number of the first model")
    parser.add_argument("--count", type=int, default=108, help=f"models; {VIEWS} cut-outs each")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    index = args.out / "cutouts.jsonl"
    done = (
        {json.loads(line)["file"] for line in index.read_text().splitlines()}
        if index.exists()
        else set()
    )
    for number in range(args.first, args.first + args.count):
        if f"{number:04d}_0.png" in done:
            continue
        rows = make(number, args.out)
        with index.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
