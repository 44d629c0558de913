"""The studio's JSON API and its page. Thin: a request, a desk's method, a response.

``/openapi.json`` describes it. Errors are ``{"error": sentence}``. What takes
long is streamed as server-sent events, each a JSON object with an ``event``:
``waiting`` (with the place in the queue), ``bar`` (with how many the piece now
has), ``piece`` (the last one), or ``error``.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import FastAPI, Query, Request
from fastapi import Path as PathField
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from nextbar._version import __version__
from nextbar.errors import NextbarError, RunError
from nextbar.studio import messages, uploads
from nextbar.studio.adapting import Adaptations
from nextbar.studio.safety import Guard
from nextbar.studio.shelf import Shelf
from nextbar.studio.turns import QueueFullError, Turns, Waiting

STATIC: Final = Path(__file__).parent / "static"
TYPES: Final = {
    "mid": "audio/midi",
    "wav": "audio/wav",
    "musicxml": "application/vnd.recordare.musicxml+xml",
    "png": "image/png",
}
SUFFIX_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": messages.Problem, "description": says}
    for status, says in {
        400: "the request makes no sense",
        404: "there is no such thing, or the run is not open here",
        413: "too large",
        422: "a field is missing, of the wrong type or out of range",
        503: "as many are waiting as may; ask again later",
    }.items()
}


def make_app(
    runs: Sequence[Path], *, hosts: Sequence[str] = ("127.0.0.1", "localhost", "[::1]"),
    token: str | None = None, models: Path | None = None,
) -> FastAPI:  # fmt: skip
    """The application for uvicorn. hosts, token: see :class:`nextbar.studio.safety.Guard`.

    models: the folder that models of somebody's own are kept in, and opened from; without one
    they are in a temporary folder, and go with the application.
    """
    adaptations = Adaptations(models, lambda job: shelf.add(job.run, job.name))
    shelf, turns = Shelf(runs, adaptations.finished()), Turns()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        shelf.start_loading()
        yield
        turns.close()
        await run_in_threadpool(adaptations.close)

    app = FastAPI(
        title="nextbar studio",
        version=__version__,
        description=__doc__ or "",
        docs_url=None,  # its page would load scripts from another site
        redoc_url=None,
        lifespan=lifespan,
        responses=PROBLEMS,
    )
    app.state.shelf, app.state.turns, app.state.adaptations = shelf, turns, adaptations
    app.add_middleware(Guard, hosts=hosts, token=token, most_bytes=uploads.LARGEST_BYTES)
    _add_errors(app)
    _add_reading(app, shelf)
    _add_making(app, shelf, turns)
    _add_adapting(app, shelf, adaptations)
    _add_page(app)
    return app


def _add_errors(app: FastAPI) -> None:
    def answer(status: int, sentence: str) -> JSONResponse:
        return JSONResponse({"error": sentence}, status)

    @app.exception_handler(RequestValidationError)
    async def _wrong_field(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(422, messages.in_words(error.errors()[0]))

    @app.exception_handler(RunError)
    async def _no_run(_: Request, error: RunError) -> JSONResponse:
        return answer(404, str(error))

    @app.exception_handler(NextbarError)
    async def _refused(_: Request, error: NextbarError) -> JSONResponse:
        return answer(400, str(error))

    @app.exception_handler(QueueFullError)
    async def _busy(_: Request, __: QueueFullError) -> JSONResponse:
        response = answer(503, "the model is busy and the queue is full; try again in a moment")
        response.headers["Retry-After"] = "2"
        return response

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


Run = Annotated[str, Query(pattern="^[0-9a-f]{64}$", description="sha256 of the run's weights")]


def _add_reading(app: FastAPI, shelf: Shelf) -> None:
    @app.get("/api/runs")
    async def runs() -> dict[str, Any]:
        """The runs that are open, those that failed, whether others come; what can be asked for."""
        limits = {"given_bars": messages.MOST_GIVEN_BARS, "file_bytes": uploads.LARGEST_BYTES}
        return {**shelf.describe(), "controls": messages.CONTROLS, "limits": limits}

    @app.get("/api/tunes")
    async def tunes(run: Run) -> dict[str, Any]:
        """The training tunes of a run: number, name and bars of each."""
        return await run_in_threadpool((await shelf.desk(run)).tunes)

    @app.get("/api/tunes/{number}")
    async def tune(
        number: Annotated[int, PathField(ge=0, le=2**31)],
        run: Run,
    ) -> dict[str, Any]:
        """The notes of one training tune."""
        return await run_in_threadpool((await shelf.desk(run)).tune, number)

    reading = asyncio.Semaphore(2)

    @app.post("/api/upload", openapi_extra=_BODY_OF_BYTES)
    async def upload(
        request: Request,
        run: Run,
        name: Annotated[str, Query(max_length=200)] = "upload.mid",
        track: Annotated[str, Query(max_length=80)] = "all",
        tune: Annotated[
            int | None, Query(ge=1, le=2**31, description="Of a book, from 1; else the first.")
        ] = None,
    ) -> dict[str, Any]:
        """The notes of a MIDI or ABC file (the request's body), on the grid of the run's music."""
        desk = await shelf.desk(run)
        data = await request.body()
        kind = desk.kind.to_json()
        async with reading:
            return await run_in_threadpool(
                uploads.read_upload, data, name=name, track=track, tune=tune, kind=kind
            )

    rendering = asyncio.Semaphore(1)

    @app.get("/api/instruments/{program}.wav", response_class=Response)
    async def instrument(
        program: Annotated[int, PathField(ge=0, le=127, description="General MIDI, from 0.")],
    ) -> Response:
        """An instrument's notes: every fourth key from C1 (24) to C8 (108), three seconds each."""
        from nextbar.studio.desk import instrument_wav

        async with rendering:
            data = await run_in_threadpool(instrument_wav, program)
        return Response(data, media_type="audio/wav", headers={"Cache-Control": "max-age=86400"})


_BODY_OF_BYTES: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _add_making(app: FastAPI, shelf: Shelf, turns: Turns) -> None:
    async def now(request: Request, run: str, work: Callable[[Any], Any]) -> Any:
        """What the work on the run's desk gives, in its turn, unless the asker leaves before."""
        desk = await shelf.desk(run)
        return await _unless_gone(request, turns.result(lambda: work(desk)))

    async def stream(run: str, work: Callable[[Any], Iterator[Any]]) -> Response:
        desk = await shelf.desk(run)
        return await _stream(turns.steps(lambda: work(desk)))

    @app.post("/api/begin")
    async def begin(asked: messages.Begin, request: Request) -> dict[str, Any]:
        """A piece without written bars, begun from noise or behind the given notes."""
        values = asked.model_dump()
        return dict(await now(request, asked.run, lambda desk: desk.begin(values)))

    @app.post("/api/open")
    async def open_piece(asked: messages.Opened, request: Request) -> dict[str, Any]:
        """The piece that a recipe gives: the notes of every bar, and how near each is to a copy."""
        values = asked.model_dump()
        return dict(await now(request, asked.piece.run, lambda desk: desk.open(values)))

    @app.post("/api/compose", response_class=StreamingResponse, responses=_EVENTS)
    async def compose(asked: messages.Compose) -> Response:
        """More bars at the end of a piece, streamed one by one."""
        values = asked.model_dump()
        return await stream(asked.piece.run, lambda desk: desk.compose(values))

    @app.post("/api/answer")
    async def answer(asked: messages.Answer, request: Request) -> dict[str, Any]:
        """One more bar at the end of a piece, at once: it waits for no turn."""
        desk, values = await shelf.desk(asked.piece.run), asked.model_dump()
        work = turns.at_once(lambda: desk.answer(values))
        return dict(await _unless_gone(request, work))

    @app.post("/api/recompose", response_class=StreamingResponse, responses=_EVENTS)
    async def recompose(asked: messages.Compose) -> Response:
        """A piece composed anew from its beginning, but for its locked bars, streamed likewise."""
        values = asked.model_dump()
        return await stream(asked.piece.run, lambda desk: desk.recompose(values))

    @app.post("/api/roll", response_class=StreamingResponse, responses=_EVENTS)
    async def roll(asked: messages.RollAgain) -> Response:
        """A bar drawn anew, alone or with what follows, streamed one by one."""
        values = asked.model_dump()
        return await stream(asked.piece.run, lambda desk: desk.roll_again(values))

    @app.post("/api/fill", response_class=StreamingResponse, responses=_EVENTS)
    async def fill(asked: messages.Fill) -> Response:
        """Some bars drawn anew between those that stay, streamed one by one."""
        values = asked.model_dump()
        return await stream(asked.piece.run, lambda desk: desk.fill(values))

    @app.post("/api/harmonise", response_class=StreamingResponse, responses=_EVENTS)
    async def harmonise(asked: messages.Harmonise) -> Response:
        """The other hand written in some bars, streamed one by one."""
        values = asked.model_dump()
        return await stream(asked.piece.run, lambda desk: desk.harmonise(values))

    @app.post("/api/alternatives")
    async def alternatives(asked: messages.Alternatives, request: Request) -> dict[str, Any]:
        """Other bars for one place."""
        values = asked.model_dump()
        return dict(await now(request, asked.piece.run, lambda desk: desk.alternatives(values)))

    @app.post("/api/blend")
    async def blend(asked: messages.Blend, request: Request) -> dict[str, Any]:
        """Bars on the way from one to another in latent space."""
        values = asked.model_dump()
        return dict(await now(request, asked.piece.run, lambda desk: desk.blend(values)))

    @app.post("/api/measures")
    async def measures(asked: messages.Opened, request: Request) -> dict[str, Any]:
        """The measures of a piece beside held-out tunes of as many bars."""
        values = asked.model_dump()
        return dict(await now(request, asked.piece.run, lambda desk: desk.measures(values)))

    @app.post("/api/export/{kind}", response_class=Response, responses=_FILES)
    async def export(
        kind: Literal["mid", "wav", "musicxml", "png"], asked: messages.Export, request: Request
    ) -> Response:
        """The piece as a file."""
        values = asked.model_dump()
        data = await now(request, asked.piece.run, lambda desk: desk.export(kind, values))
        return Response(data, media_type=TYPES[kind])


JobId = Annotated[str, PathField(pattern="^[0-9a-f]{12}$", description="Of a model in the making")]


def _add_adapting(app: FastAPI, shelf: Shelf, adaptations: Adaptations) -> None:
    @app.get("/api/adaptations")
    async def listed() -> dict[str, Any]:
        """The models in the making: how far each is, and what was said."""
        jobs = [job.describe() for job in adaptations.jobs.values()]
        return {"jobs": jobs, "is_kept": adaptations.is_kept}

    @app.post("/api/adaptations")
    async def begin(asked: messages.Adapt) -> dict[str, Any]:
        """A new one, without files."""
        await shelf.desk(asked.run)
        return adaptations.begin(asked.name, asked.run).describe()

    @app.post("/api/adaptations/{job}/files", openapi_extra=_BODY_OF_BYTES)
    async def add(
        job: JobId, request: Request, name: Annotated[str, Query(max_length=200)]
    ) -> dict[str, Any]:
        """One file more to learn from (the request's body)."""
        found, data = adaptations.job(job), await request.body()
        await run_in_threadpool(adaptations.add, found, name, data)
        return found.describe()

    @app.post("/api/adaptations/{job}/start")
    async def start(job: JobId) -> dict[str, Any]:
        """Begins to learn, or goes on from where it was stopped."""
        found = adaptations.job(job)
        base = (await shelf.desk(found.base)).composer.path
        await run_in_threadpool(adaptations.start, found, base)
        return found.describe()

    @app.post("/api/adaptations/{job}/stop")
    async def stop(job: JobId) -> dict[str, Any]:
        """Stops behind the next step; what was learnt is kept."""
        found = adaptations.job(job)
        adaptations.stop(found)
        return found.describe()


_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "server-sent events", "content": {"text/event-stream": {}}}
}
_FILES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "the file", "content": {each: {} for each in TYPES.values()}}
}


async def _stream(steps: AsyncIterator[Any]) -> Response:
    """The steps as server-sent events. What is wrong at the first step is still an HTTP error."""
    first = await anext(steps)

    async def events() -> AsyncIterator[str]:
        async with aclosing(steps):  # type: ignore[type-var]
            try:
                yield _event(first)
                async for step in steps:
                    yield _event(step)
            except NextbarError as error:
                yield _event({"event": "error", "error": str(error)})

    return StreamingResponse(events(), media_type="text/event-stream")


def _event(step: Any) -> str:
    if isinstance(step, Waiting):
        step = {"event": "waiting", "place": step.place}
    return f"data: {json.dumps(step, allow_nan=False)}\n\n"


async def _unless_gone(request: Request, result: Any) -> Any:
    """The result, given up where the asker closes the connection before it is there."""
    task = asyncio.ensure_future(result)
    try:
        while not (await asyncio.wait({task}, timeout=0.5))[0]:
            if await request.is_disconnected():
                raise HTTPException(499, "the asker has left")
        return task.result()
    finally:
        task.cancel()


def _add_page(app: FastAPI) -> None:
    files = {path.name: path for path in STATIC.iterdir() if path.suffix in SUFFIX_TYPES}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return _file(files["index.html"])

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "there is no such file")
        return _file(files[name])


def _file(path: Path) -> Response:
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(path, media_type=SUFFIX_TYPES[path.suffix], headers=headers)
