"""Pictures for the network: crops by matrix products, mosaics, brightness, and mixtures of two pictures."""

from __future__ import annotations

import math

import torch

PIXEL_MEAN, PIXEL_STD = 127.0, 128.0  # the pretrained network's, for pixels of 0..255

Boxes = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]  # see random_boxes


def uniform(count: int, low: float, high: float, random: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=random) * (high - low) + low


def random_boxes(count: int, area: tuple[float, float], mirrored: float, random: torch.Generator) -> Boxes:
    """Left, top, width and height of a random part of each picture, as shares of its sides, and who is mirrored.

    area: the least and the largest share of the picture that a part keeps; mirrored: the share of mirrored pictures.
    """
    share, aspect = uniform(count, *area, random), uniform(count, math.log(3 / 4), math.log(4 / 3), random).exp()
    width, height = (share * aspect).sqrt().clamp(max=1), (share / aspect).sqrt().clamp(max=1)
    left, top = (torch.rand(count, generator=random) * (1 - side) for side in (width, height))
    return left, top, width, height, torch.rand(count, generator=random) < mirrored


def cubic(x: torch.Tensor) -> torch.Tensor:
    """The kernel of bicubic interpolation (Keys 1981) with a = -0.5, as Pillow has it."""
    x = x.abs()
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return near * (x <= 1) + far * ((x > 1) & (x < 2))


def resampling(start: torch.Tensor, length: torch.Tensor, size: int, source: int) -> torch.Tensor:
    """Matrices (n, size, source) that resize `length` of `source` pixels from `start` on, antialiased as in Pillow."""
    scale = (length / size)[:, None, None]
    centres = start[:, None, None] + (torch.arange(size, device=start.device)[:, None] + 0.5) * scale
    places = torch.arange(source, device=start.device) + 0.5
    weights = cubic((places - centres) / scale.clamp(min=1))
    return weights / weights.sum(dim=2, keepdim=True)


def cut(pixels: torch.Tensor, boxes: Boxes, size: int) -> torch.Tensor:
    """Parts of pictures, resized: (n, 3, h, w) float -> (n, 3, size, size) of 0..255."""
    (left, top, width, height, mirrored), source = (part.to(pixels.device) for part in boxes), pixels.shape[-2:]
    across = resampling(left * source[1], width * source[1], size, source[1])
    across = torch.where(mirrored[:, None, None], across.flip(1), across)
    down = resampling(top * source[0], height * source[0], size, source[0])
    return (down[:, None] @ pixels @ across.mT[:, None]).clamp(0, 255)


def planes(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (n, h, w, 3) -> float32 (n, 3, h, w)."""
    return pixels.permute(0, 3, 1, 2).float()


def whole(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """Whole pictures as the encoder sees them: uint8 (n, h, w, 3) -> (n, 3, size, size) of 0..255."""
    n = len(pixels)
    zeros, ones = torch.zeros(n), torch.ones(n)
    return cut(planes(pixels), (zeros, zeros, ones, ones, zeros.bool()), size)


def mosaics(pixels: torch.Tensor) -> torch.Tensor:
    """Four pictures in one, at their own size: (n, 3, h, w) -> (n // 4, 3, 2 h, 2 w).

    tiny-ImageNet has no sharp picture of the network's input size. Thumbnails side by side are sharp.
    """
    a, b, c, d = pixels[: len(pixels) // 4 * 4].chunk(4)
    return torch.cat([torch.cat([a, b], dim=3), torch.cat([c, d], dim=3)], dim=2)


def standardise(pixels: torch.Tensor) -> torch.Tensor:
    """0..255 -> the network's input, channels last in memory."""
    return ((pixels - PIXEL_MEAN) / PIXEL_STD).contiguous(memory_format=torch.channels_last)


def varied(pixels: torch.Tensor, random: torch.Generator, strength: float = 0.25) -> torch.Tensor:
    """Random brightness, contrast and saturation for each picture."""
    n, device = len(pixels), pixels.device
    gain, contrast, colour = (
        uniform(n, 1 - strength, 1 + strength, random).to(device)[:, None, None, None] for _ in range(3)
    )
    grey = pixels.mean(dim=1, keepdim=True)
    pixels = grey + (pixels - grey) * colour
    middle = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return ((middle + (pixels - middle) * contrast) * gain).clamp(0, 255)


def resized(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """(n, 3, h, w) -> (n, 3, size, size), antialiased."""
    down, across = (
        resampling(torch.zeros(1), torch.full((1,), float(side)), size, side).to(pixels.device)
        for side in pixels.shape[-2:]
    )
    return (down @ pixels @ across.mT).clamp(0, 255)


def mixed(pixels: torch.Tensor, share: float, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """CutMix (Yun et al. 2019): some pictures get a rectangle of the picture before them in the batch.

    share: of the pictures that get one. Returns the pictures and how much of itself each kept, (n,).
    """
    n, _, height, width = pixels.shape
    kept, middle_x, middle_y, chance = (torch.rand(n, generator=random) for _ in range(4))
    half = (1 - kept).sqrt() / 2 * (chance < share)
    across = ((torch.arange(width) + 0.5) / width - middle_x[:, None]).abs() < half[:, None]
    down = ((torch.arange(height) + 0.5) / height - middle_y[:, None]).abs() < half[:, None]
    other = (down[:, :, None] & across[:, None, :])[:, None]  # (n, 1, h, w): where the other picture is
    share_kept = 1 - other.float().mean(dim=(1, 2, 3))
    return torch.where(other.to(pixels.device), pixels.roll(1, 0), pixels), share_kept.to(pixels.device)
