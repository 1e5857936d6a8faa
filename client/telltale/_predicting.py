"""``telltale predict``: files in, one line for each out."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from telltale._answered import Format
from telltale._detector import Detector
from telltale._gateway import GatewayProblem
from telltale._local import CannotStart
from telltale._printing import printable
from telltale._reading import UnexpectedAnswer
from telltale._records import Answer, Records

# Of one file; of several, DONE or FAILED.
STATUS = {"real": 0, "fake": 1, "uncertain": 2}
DONE, FAILED, MISUSED = 0, 3, 64


def add_predict_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it to a command line."""
    predict = commands.add_parser(
        "predict",
        help="is it fake?",
        description="Ask whether files are fake. Exit status, of one file: 0 real, 1 fake, 2 uncertain; of several: 0 "
        "when all were answered. 3 when one could not be, 64 when the command line is wrong.",
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
        records = Records.opened(options.out, _format(options), resume=options.resume)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        return MISUSED
    try:
        with records, _detector(options) as detector:
            return _ask_all(detector, files, records, options)
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return FAILED


def _ask_all(detector: Detector, files: Sequence[Path], records: Records, options: argparse.Namespace) -> int:
    todo = [file for file in files if str(file) not in records.answered]
    if len(todo) < len(files):
        sys.stderr.write(f"{len(files) - len(todo)} of {len(files)} are answered already.\n")
    answers: list[Answer] = []
    with ThreadPoolExecutor(options.jobs) as pool, _bar(len(todo)) as bar:
        asked = [pool.submit(_ask, detector, file, options) for file in todo]
        try:
            for future in as_completed(asked):
                answers.append(future.result())
                records.write(answers[-1])
                bar.advance(bar.task_ids[0])
        except BaseException:
            _forget(asked)
            raise
    failed = [answer for answer in answers if answer.verdict is None]
    for answer in failed:
        sys.stderr.write(f"{printable(answer.path)}: {printable(answer.error or '')}\n")
    if failed:
        return FAILED
    labels = {**records.answered, **{a.path: a.verdict.label for a in answers if a.verdict is not None}}
    return STATUS[labels[str(files[0])]] if len(files) == 1 else DONE


def _ask(detector: Detector, file: Path, options: argparse.Namespace) -> Answer:
    names = options.detectors.split(",") if options.detectors else None
    try:
        verdict = detector.predict(file, fps=options.fps, max_frames=options.max_frames, detectors=names)
    except GatewayProblem as problem:
        return Answer(str(file), None, f"{problem.detail} {problem.hint}")
    except (OSError, UnexpectedAnswer) as error:
        return Answer(str(file), None, str(error))
    except Exception as error:  # whatever one file does to us, the others are still to be answered
        return Answer(str(file), None, f"{type(error).__name__}: {error}")
    return Answer(str(file), verdict, None)


def _forget(asked: Sequence[Future[Answer]]) -> None:
    """Interrupted: what has not begun never shall."""
    for future in asked:
        future.cancel()


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
def _detector(options: argparse.Namespace) -> Iterator[Detector]:
    key, token = os.environ.get("TELLTALE_API_KEY"), os.environ.get("TELLTALE_TOKEN")
    opened = Detector.local() if options.local else Detector(options.url, api_key=key, token=token)
    with opened as detector:
        yield detector


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
