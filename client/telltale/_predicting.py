"""``telltale predict``: files in, one line for each out."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from telltale._access import Access, access_of
from telltale._answered import Format
from telltale._detector import AsyncDetector, Detector
from telltale._gateway import GatewayProblem
from telltale._local import CannotStart
from telltale._printing import printable
from telltale._reading import UnexpectedAnswer
from telltale._records import Answer, Records
from telltale._verdict import Label

# Of one file; of several, DONE or FAILED.
STATUS: dict[Label, int] = {"real": 0, "fake": 1, "uncertain": 2}
DONE, FAILED, MISUSED, INTERRUPTED = 0, 3, 64, 130


@dataclass
class _Tally:
    """What is kept of the answers, of which there may be more than memory holds."""

    answered: int
    label: Label | None = None
    failed: list[Answer] = field(default_factory=list)

    def count(self, answer: Answer) -> None:
        if answer.verdict is None:
            self.failed.append(answer)
        else:
            self.answered += 1
            self.label = answer.verdict.label


def add_predict_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], url: argparse.ArgumentParser
) -> None:
    """Add it to a command line; ``url`` is the option that says whom to ask."""
    predict = commands.add_parser(
        "predict",
        parents=[url],
        help="is it fake?",
        description="Ask whether files are fake. Exit status, of one file: 0 real, 1 fake, 2 uncertain; of several: 0 "
        "when all were answered. 3 when one could not be, 64 when the command line is wrong, 130 after Ctrl-C.",
    )
    predict.add_argument("files", nargs="+", type=Path, metavar="FILE", help="video, image, sound, or folder")
    shape = predict.add_mutually_exclusive_group()
    shape.add_argument("--json", dest="format", action="store_const", const="json", help="one JSON object a line")
    shape.add_argument("--csv", dest="format", action="store_const", const="csv", help="with a header")
    predict.add_argument("--recursive", action="store_true", help="folders, with all that is below them")
    predict.add_argument("--out", type=Path, help="write there instead, line by line, as answers arrive")
    predict.add_argument("--resume", action="store_true", help="skip what --out holds an answer for, and go on there")
    predict.add_argument("--jobs", type=int, default=2, choices=range(1, 17), metavar="N", help="at a time (2)")
    predict.add_argument("--fps", type=float, help="frames looked at in a second of video")
    predict.add_argument("--max-frames", type=int, help="frames looked at, at most")
    predict.add_argument("--detectors", help="names, separated by commas; all when not given")
    predict.add_argument("--local", action="store_true", help="start Telltale here, for as long as it takes")
    predict.set_defaults(run=run_predict_command)


def run_predict_command(options: argparse.Namespace) -> int:
    """Do it; the exit status is described above."""
    try:
        files = list(_files(options.files, recursive=options.recursive, but=options.out))
        access = None if options.local else access_of(options)
        records = Records.opened(options.out, _format(options), resume=options.resume)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        return MISUSED
    todo = [file for file in files if str(file) not in records.answered]
    tally = _Tally(len(files) - len(todo), records.answered.get(str(files[0])))
    if tally.answered:
        sys.stderr.write(f"{tally.answered} of {len(files)} are answered already.\n")
    try:
        with records, _reached(access) as gateway:
            asyncio.run(_ask_all(gateway, todo, records, tally, options))
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    except KeyboardInterrupt:
        there = f" in {options.out}; --resume goes on there" if options.out is not None else ""
        sys.stderr.write(printable(f"Interrupted: {tally.answered} of {len(files)} are answered{there}.") + "\n")
        return INTERRUPTED
    for answer in tally.failed:
        sys.stderr.write(f"{printable(answer.path)}: {printable(answer.error or '')}\n")
    if tally.failed:
        return FAILED
    return STATUS[tally.label] if len(files) == 1 and tally.label is not None else DONE


async def _ask_all(
    access: Access, todo: Sequence[Path], records: Records, tally: _Tally, options: argparse.Namespace
) -> None:
    async with AsyncDetector(access.url, api_key=access.api_key, token=access.token) as detector:
        with _bar(len(todo)) as bar:
            async with contextlib.aclosing(_answers(detector, todo, options)) as answers:
                async for answer in answers:
                    records.write(answer)
                    tally.count(answer)
                    bar.advance(bar.task_ids[0])


async def _answers(
    detector: AsyncDetector, todo: Sequence[Path], options: argparse.Namespace
) -> AsyncGenerator[Answer, None]:
    """Answers as they come, ``--jobs`` asked for at a time; what is still asked for when it is closed is let go."""
    waiting = (_ask(detector, file, options) for file in todo)
    asked = {asyncio.create_task(each) for each in itertools.islice(waiting, options.jobs)}
    try:
        while asked:
            done, asked = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
            asked |= {asyncio.create_task(each) for each in itertools.islice(waiting, len(done))}
    finally:
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def _ask(detector: AsyncDetector, file: Path, options: argparse.Namespace) -> Answer:
    names = options.detectors.split(",") if options.detectors else None
    try:
        verdict = await detector.predict(file, fps=options.fps, max_frames=options.max_frames, detectors=names)
    except GatewayProblem as problem:
        return Answer(str(file), None, f"{problem.detail} {problem.hint}")
    except UnexpectedAnswer as error:
        return Answer(str(file), None, f"{error} It came from {detector.url}. Check the URL.")
    except OSError as error:
        return Answer(str(file), None, str(error))
    except Exception as error:  # whatever one file does to us, the others are still to be answered
        return Answer(str(file), None, f"{type(error).__name__}: {error}")
    return Answer(str(file), verdict, None)


def _files(named: Sequence[Path], *, recursive: bool, but: Path | None) -> Iterator[Path]:
    """The files that are named, and those below folders that are; each once, hidden ones and the answers not."""
    seen: set[Path] = set()
    answers = but.resolve() if but is not None else None
    for path in named:
        if path.is_dir():
            if not recursive:
                raise ValueError(f"{path} is a folder; --recursive takes all that is below it")
            found = sorted(each for each in path.rglob("*") if each.is_file() and not _hidden(each.relative_to(path)))
        elif path.is_file():
            found = [path]
        elif path.exists():
            raise ValueError(f"{path} is not a file: nothing says where it ends.")
        else:
            raise ValueError(f"There is no {path}.")
        for each in found:
            if each not in seen and each.resolve() != answers:
                seen.add(each)
                yield each
    if not seen:
        raise ValueError("There are no files there.")


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _format(options: argparse.Namespace) -> Format:
    chosen: Format | None = options.format
    return chosen or ("json" if options.out is not None else "text")


@contextlib.contextmanager
def _reached(access: Access | None) -> Iterator[Access]:
    """The gateway that is to be asked; one of our own, for as long as it takes, where none is named."""
    if access is not None:
        yield access
        return
    with Detector.local() as started:
        yield Access(started.url, None, None)


def _bar(total: int) -> Progress:
    """A progress bar on standard error, for more than one file and where somebody is looking."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=total < 2 or not console.is_terminal,
    )
    bar.add_task("judging", total=total)
    return bar
