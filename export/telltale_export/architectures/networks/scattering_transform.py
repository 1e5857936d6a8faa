"""kymatio's two-dimensional scattering transform (Bruna and Mallat 2013) as a graph that ONNX opset 17 can say.

kymatio's own transform speaks complex FFTs, which opset 17 has no words for. Here the filters are kymatio's, the
Fourier transforms are products with DFT matrices, and the real and imaginary parts are tensors beside each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class Spectrum(NamedTuple):
    """A Fourier transform [..., n, n]: real and imaginary part."""

    real: Tensor
    imaginary: Tensor


class Scattering2d(nn.Module):
    """float [N, size, size] to its scattering coefficients up to the second order, float [N, C, m, m].

    C = 1 + L J + L^2 J (J - 1) / 2, m = size / 2^J, in kymatio's order. The filters are buffers of the names and
    shapes that kymatio gives them, because published state dicts hold them.
    """

    def __init__(self, scales: int, angles: int, size: int) -> None:
        super().__init__()
        self._scales, self._angles = scales, angles
        self.channels = 1 + angles * scales + angles**2 * scales * (scales - 1) // 2
        self.side = size // 2**scales
        padded = ((size + 2**scales) // 2**scales + 1) * 2**scales
        self._padding = (padded - size) // 2
        self._low, self._band = self._register_filters(padded)
        for scale in range(scales):
            turns = np.outer(np.arange(padded >> scale), np.arange(padded >> scale)) * 2.0 * np.pi / (padded >> scale)
            self.register_buffer(f"cos{scale}", torch.from_numpy(np.cos(turns)).float(), persistent=False)
            self.register_buffer(f"sin{scale}", torch.from_numpy(np.sin(turns)).float(), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """The coefficients."""
        edge = self._padding
        padded = functional.pad(pictures[:, None], (edge, edge, edge, edge), mode="reflect")
        whole = self._forward(padded, 0)
        orders: list[list[Tensor]] = [[self._smooth(whole, 0)], [], []]
        for scale in range(self._scales):
            first = self._wavelets(whole, scale, 0)
            orders[1].append(self._smooth(first, scale))
            around = Spectrum(first.real[:, :, None], first.imaginary[:, :, None])
            second = [
                self._smooth(self._wavelets(around, coarser, scale), coarser)
                for coarser in range(scale + 1, self._scales)
            ]
            if second:
                orders[2].append(torch.cat(second, dim=2).flatten(1, 2))
        return torch.cat([part for order in orders for part in order], dim=1)

    def _register_filters(self, padded: int) -> tuple[list[str], dict[tuple[int, int], list[str]]]:
        """Register every filter; the low-pass ones' names by resolution, the wavelets' by (scale, resolution)."""
        from kymatio.scattering2d.filter_bank import filter_bank  # noqa: PLC0415 - imports half of scipy

        filters = filter_bank(padded, padded, self._scales, self._angles)
        count = 0

        def register(filter_: object) -> str:
            nonlocal count
            name = f"tensor{count}"
            self.register_buffer(name, torch.from_numpy(np.asarray(filter_, np.float32))[..., None])
            count += 1
            return name

        low = [register(level) for level in filters["phi"]["levels"]]
        band: dict[tuple[int, int], list[str]] = {}
        for wavelet in filters["psi"]:
            for resolution, level in enumerate(wavelet["levels"]):
                band.setdefault((wavelet["j"], resolution), []).append(register(level))
        return low, band

    def _wavelets(self, spectrum: Spectrum, scale: int, resolution: int) -> Spectrum:
        """The spectra of the moduli of one scale's wavelets: [..., 1, n, n] at a resolution to [..., L, m, m]."""
        filters = torch.stack([self.get_buffer(name)[..., 0] for name in self._band[scale, resolution]])
        wave = self._inverse(_times(spectrum, filters), resolution, scale)
        modulus = torch.sqrt(wave.real**2 + wave.imaginary**2)
        return self._forward(modulus, scale)

    def _smooth(self, spectrum: Spectrum, resolution: int) -> Tensor:
        """The low-passed picture, at the coarsest resolution, without its padding."""
        low = self.get_buffer(self._low[resolution])[..., 0]
        return self._inverse(_times(spectrum, low), resolution, self._scales).real[..., 1:-1, 1:-1]

    def _forward(self, picture: Tensor, resolution: int) -> Spectrum:
        cosine, sine = self.get_buffer(f"cos{resolution}"), self.get_buffer(f"sin{resolution}")
        real, imaginary = cosine @ picture, -sine @ picture
        return Spectrum(real @ cosine + imaginary @ sine, imaginary @ cosine - real @ sine)

    def _inverse(self, spectrum: Spectrum, resolution: int, scale: int) -> Spectrum:
        """Every 2^(scale - resolution)-th row and column of the inverse transform: subsampling costs nothing."""
        cosine, sine = self.get_buffer(f"cos{resolution}"), self.get_buffer(f"sin{resolution}")
        side, every = cosine.shape[0], 2 ** (scale - resolution)
        left_cosine, left_sine = cosine[::every] / side, sine[::every] / side
        real = left_cosine @ spectrum.real - left_sine @ spectrum.imaginary
        imaginary = left_cosine @ spectrum.imaginary + left_sine @ spectrum.real
        right_cosine, right_sine = left_cosine.T, left_sine.T
        return Spectrum(real @ right_cosine - imaginary @ right_sine, imaginary @ right_cosine + real @ right_sine)


def _times(spectrum: Spectrum, filter_: Tensor) -> Spectrum:
    return Spectrum(spectrum.real * filter_, spectrum.imaginary * filter_)
