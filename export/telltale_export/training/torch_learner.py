"""A torch network that learns."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from telltale_export.architectures.served import Detector
from telltale_export.evaluation.metrics import Bools, Floats
from telltale_export.training.averaging import follow
from telltale_export.training.learner import EDGE, NORM, Items
from telltale_export.training.plan import Plan

_SIGMOIDS = (torch.sigmoid, torch.Tensor.sigmoid, nn.functional.sigmoid)


class TorchLearner:
    """See ``Learner``. On a GPU where there is one."""

    framework = f"torch {torch.__version__}"
    best_file = "best.pth"

    def __init__(self, detector: Detector, plan: Plan, weight: Floats) -> None:
        """``weight`` [2]: of the genuine and the forged class in the loss."""
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if plan.tensor_cores:
            torch.set_float32_matmul_precision("high")
        self._detector = detector.to(self._device)
        self._average = copy.deepcopy(self._detector)
        self._seed = plan.seed
        self._weight = torch.tensor(weight, dtype=torch.float32, device=self._device)
        matrices = [p for p in detector.parameters() if p.ndim > 1]
        vectors = [p for p in detector.parameters() if p.ndim <= 1]
        # Norms and biases are not decayed.
        groups = [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=plan.learning_rate)
        self._half = half_precision(self._device) if plan.mixed_precision else None
        # Only float16 underflows.
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._half is torch.float16)

    def begin(self, number: int) -> None:
        """Seed what drops out."""
        torch.manual_seed(self._seed * 100_003 + number)
        self._detector.train()

    def learn(self, items: Items, fake: Bools, rate: float, keep: float) -> float:
        """One step."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        labels = torch.from_numpy(np.asarray(fake, dtype=np.float32)).to(self._device)
        with mixed(self._device, self._half):
            probability = self._detector(torch.from_numpy(np.asarray(items)).to(self._device))["probability"]
        inside = probability.float().clamp(EDGE, 1.0 - EDGE)
        loss = nn.functional.binary_cross_entropy(inside, labels, weight=self._weight[labels.long()])
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._detector.parameters(), NORM)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        follow(self._average, self._detector, keep)
        return float(loss.detach())

    @torch.no_grad()
    def answer(self, items: Items) -> Floats:
        """In single precision, as it is served."""
        self._average.eval()
        answered = self._average(torch.from_numpy(np.asarray(items)).to(self._device))["probability"]
        return np.asarray(answered.double().cpu().numpy())

    def weights(self) -> bytes:
        """A file of ``torch.save``."""
        return _saved({"state_dict": self._average.network.state_dict()})

    def state(self) -> bytes:
        """Network, average, optimiser and the scale of the loss."""
        return _saved({name: part.state_dict() for name, part in self._parts().items()})

    def restore(self, state: bytes) -> None:
        """The same."""
        kept = torch.load(io.BytesIO(state), map_location=self._device, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(kept[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "detector": self._detector,
            "average": self._average,
            "optimiser": self._optimiser,
            "scaler": self._scaler,
        }


def _saved(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def half_precision(device: torch.device) -> torch.dtype | None:
    """The short numbers that a device multiplies faster: bfloat16, before the A100 float16; none on a CPU."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


@contextmanager
def mixed(device: torch.device, half: torch.dtype | None) -> Iterator[None]:
    """Products in ``half`` precision where torch thinks that they bear it (autocast), and every sigmoid in single.

    A detector ends in a sigmoid: in bfloat16 everything from a logit of 6.2 on would be 1, and would learn no more.
    """
    if half is None:
        yield
        return
    with torch.autocast(device.type, half), _WideSigmoids():
        yield


class _WideSigmoids(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _SIGMOIDS and isinstance(args[0], Tensor):
            args = (args[0].float(), *args[1:])
        return func(*args, **(kwargs or {}))
