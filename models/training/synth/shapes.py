"""Parts of procedural models: boxes, tubes, prisms, heaps and cloth, gathered into one mesh.

Metres, z up, +x forward. The result is one bpy mesh object per model, and its vertices for exact
boxes. What objects look like is in vehicles, machines and site_models.
"""

from __future__ import annotations

import math

import bpy
import numpy as np


class Builder:
    """Collects faces with their materials; `finish` makes the mesh object."""

    def __init__(self, rng):
        self.rng = rng
        self.vertices: list[tuple] = []
        self.faces: list[tuple] = []
        self.slots: list[int] = []
        self.materials: list = []

    def add(self, vertices, faces, material) -> None:
        if material not in self.materials:
            self.materials.append(material)
        start = len(self.vertices)
        self.vertices += [tuple(map(float, v)) for v in vertices]
        self.faces += [tuple(start + i for i in face) for face in faces]
        self.slots += [self.materials.index(material)] * len(faces)

    def box(self, centre, size, material, yaw: float = 0.0, pitch: float = 0.0) -> None:
        """A cuboid; `yaw` about z and `pitch` about y in radians, about its centre."""
        x, y, z = (np.array(size) / 2).tolist()
        corners = np.array(
            [[a * x, b * y, c * z] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
        )
        corners = corners @ turned(yaw, pitch).T + np.array(centre)
        faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        self.add(corners, faces, material)

    def tube(
        self, start, end, radius, material, sides: int = 10, end_radius: float | None = None
    ) -> None:
        """A cylinder or cone between two points, closed."""
        a, b = np.array(start, float), np.array(end, float)
        along = (b - a) / max(np.linalg.norm(b - a), 1e-9)
        across = np.cross(along, [0, 0, 1] if abs(along[2]) < 0.9 else [1, 0, 0])
        across /= np.linalg.norm(across)
        third = np.cross(along, across)
        angle = np.linspace(0, 2 * math.pi, sides, endpoint=False)
        ring = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * third
        far = radius if end_radius is None else end_radius
        vertices = np.concatenate([a + ring * radius, b + ring * far])
        faces = [(i, (i + 1) % sides, sides + (i + 1) % sides, sides + i) for i in range(sides)]
        faces += [tuple(range(sides))[::-1], tuple(range(sides, 2 * sides))]
        self.add(vertices, faces, material)

    def prism(self, profile, y1: float, y2: float, material) -> None:
        """A convex outline [(x, z)] extruded from y1 to y2."""
        n = len(profile)
        vertices = [(x, y1, z) for x, z in profile] + [(x, y2, z) for x, z in profile]
        faces = [(i, (i + 1) % n, n + (i + 1) % n, n + i) for i in range(n)]
        faces += [tuple(range(n))[::-1], tuple(range(n, 2 * n))]
        self.add(vertices, faces, material)

    def sheet(self, height, size, material, cells: int = 18, centre=(0.0, 0.0)) -> None:
        """A surface z = height(x, y) over a rectangle of size (along x, along y)."""
        xs = np.linspace(-size[0] / 2, size[0] / 2, cells)
        ys = np.linspace(-size[1] / 2, size[1] / 2, cells)
        vertices = [(centre[0] + x, centre[1] + y, height(x, y)) for x in xs for y in ys]
        faces = [
            (i * cells + j, (i + 1) * cells + j, (i + 1) * cells + j + 1, i * cells + j + 1)
            for i in range(cells - 1)
            for j in range(cells - 1)
        ]
        self.add(vertices, faces, material)

    def heap(
        self, radius: float, height: float, material, stretch: float = 1.0, centre=(0.0, 0.0, 0.0)
    ) -> None:
        """A pile of loose material: a rough cone with a round base."""
        rings, sides = 9, 26
        lumps = bumps(self.rng, 5)
        vertices, faces = [(centre[0], centre[1], centre[2] + height)], []
        for k in range(1, rings + 1):
            r = k / rings
            for j in range(sides):
                a = 2 * math.pi * j / sides
                x, y = r * math.cos(a), r * math.sin(a)
                reach = radius * (1 + 0.22 * lumps(math.cos(a), math.sin(a)))
                z = height * (1 - r) ** 0.9 * (1 + 0.35 * lumps(2 * x, 2 * y)) if k < rings else 0.0
                z += float(self.rng.normal(0, 0.02)) * height
                vertices.append(
                    (
                        centre[0] + x * reach * stretch,
                        centre[1] + y * reach,
                        centre[2] + max(z, 0.0),
                    )
                )

        def ring(k, j):
            return 1 + (k - 1) * sides + j % sides

        faces += [(0, ring(1, j), ring(1, j + 1)) for j in range(sides)]
        for k in range(1, rings):
            faces += [
                (ring(k, j), ring(k + 1, j), ring(k + 1, j + 1), ring(k, j + 1))
                for j in range(sides)
            ]
        self.add(vertices, faces, material)

    def finish(self, name: str):
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(self.vertices, [], self.faces)
        for material in self.materials:
            mesh.materials.append(material)
        mesh.polygons.foreach_set("material_index", self.slots)
        mesh.update()
        thing = bpy.data.objects.new(name, mesh)
        bpy.context.scene.collection.objects.link(thing)
        return thing


def turned(yaw: float, pitch: float = 0.0) -> np.ndarray:
    """Rotation about y by pitch, then about z by yaw."""
    c, s = math.cos(yaw), math.sin(yaw)
    d, t = math.cos(pitch), math.sin(pitch)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array(
        [[d, 0, t], [0, 1, 0], [-t, 0, d]]
    )


def bumps(rng, waves: int):
    """A smooth random function of (x, y) within about -1..1."""
    terms = [
        (*rng.normal(0, 2.2, 2), rng.uniform(0, 6.3), rng.uniform(0.3, 1)) for _ in range(waves)
    ]
    whole = sum(t[3] for t in terms)
    return lambda x, y: sum(g * math.sin(a * x + b * y + p) for a, b, p, g in terms) / whole


def paint(
    rgb, roughness: float = 0.5, metallic: float = 0.0, speckle: float = 0.0, scale: float = 8.0
):
    """A new material; `speckle` 0..1 darkens it in patches of about 1 / scale metres."""
    material = bpy.data.materials.new("paint")
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    surface = nodes["Principled BSDF"]
    surface.inputs["Base Color"].default_value = (*rgb, 1)
    surface.inputs["Roughness"].default_value = roughness
    surface.inputs["Metallic"].default_value = metallic
    if speckle:
        noise, mix = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeMixRGB")
        place = nodes.new("ShaderNodeTexCoord")
        links.new(place.outputs["Object"], noise.inputs["Vector"])
        noise.inputs["Scale"].default_value = scale
        noise.inputs["Detail"].default_value = 5.0
        mix.inputs["Color1"].default_value = (*rgb, 1)
        mix.inputs["Color2"].default_value = (*(c * (1 - speckle) for c in rgb), 1)
        links.new(noise.outputs["Fac"], mix.inputs["Fac"])
        links.new(mix.outputs["Color"], surface.inputs["Base Color"])
    return material


def striped(first, second, scale: float, axis: int = 0):
    """A material of stripes across one axis of the object, `scale` stripes per metre."""
    material = paint(first)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    place, split = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeSeparateXYZ")
    links.new(place.outputs["Object"], split.inputs["Vector"])
    times, wave, sign = (nodes.new("ShaderNodeMath") for _ in range(3))
    times.operation, wave.operation, sign.operation = "MULTIPLY", "SINE", "GREATER_THAN"
    times.inputs[1].default_value = scale * 2 * math.pi
    sign.inputs[1].default_value = 0.0
    links.new(split.outputs[axis], times.inputs[0])
    links.new(times.outputs[0], wave.inputs[0])
    links.new(wave.outputs[0], sign.inputs[0])
    mix = nodes.new("ShaderNodeMixRGB")
    mix.inputs["Color1"].default_value, mix.inputs["Color2"].default_value = (
        (*first, 1),
        (*second, 1),
    )
    links.new(sign.outputs[0], mix.inputs["Fac"])
    links.new(mix.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return material
