"""The browser demo in Chromium: it computes what Python computes, with any model of a folder, and every fault has a screen.

Run by `make test-web`, which installs the npm packages first; skipped without them.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from calib.preprocess import Preprocess
from converters.files import sha256
from converters.registry import find_target
from evit_mobile.demos.serve import address, open_server
from evit_mobile.manifest import read_manifest
from evit_mobile.models import build_model
from evit_mobile.pipeline import convert
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from evit_mobile.reference import randomise
from evit_mobile.spec import find_spec
from tests.web_demo.browser import Browser, missing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing() is not None, reason=str(missing()))]
IMAGES = 32
DONE = "document.body.getAttribute('aria-busy') === 'false'"
PREDICTED = f"{DONE} && !document.getElementById('result').hidden"
CHECKED = f"{DONE} && document.getElementById('agreement').className !== ''"
FAILED = f"{DONE} && !document.getElementById('failure').hidden"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """efficientvit_m0 as LiteRT files in fp32 and int8."""
    folder = tmp_path_factory.mktemp("m0")
    for precision in ("fp32", "int8"):
        convert(formats=["tflite"], precision=precision, golden=IMAGES, out=folder)
    return folder


@pytest.fixture(scope="module")
def five_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """efficientvit_b0 of five classes at 192 x 256, from a checkpoint file and a folder of photos in five sub-folders."""
    folder = tmp_path_factory.mktemp("b0")
    module = build_model(find_spec("efficientvit_b0", size=(192, 256), num_classes=5))
    randomise(module, (192, 256))
    write_checkpoint(module, folder / "mine.pth")
    random = np.random.default_rng(0)
    for number in range(60):
        place = folder / "photos" / f"kind {'edcba'[number % 5]}"
        place.mkdir(parents=True, exist_ok=True)
        height, width = [(300, 400), (700, 560), (150, 600)][number % 3]
        coarse = random.integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(place / f"{number}.png")
    convert(
        weights=folder / "mine.pth",
        model="efficientvit_b0",
        num_classes=5,
        size=(192, 256),
        calib=folder / "photos",
        formats=["tflite"],
        precision="fp32",
        out=folder / "out",
    )
    return folder / "out"


def write_checkpoint(module: Any, path: Path) -> None:
    import torch

    torch.save(module.state_dict(), path)


@contextmanager
def page(browser: Browser, folder: Path, until: str, **options: Any) -> Iterator[None]:
    """The demo open on `folder`, once `until` holds."""
    with open_server(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            browser.call("open", address(server), options)
            browser.call("wait", until)
            yield
            assert [line for line in browser.call("console") if line.startswith("pageerror")] == []
        finally:
            server.shutdown()
            thread.join()


COMPUTED = """(async () => {
  const [{ openFolder, fetchChecked }, { Session }, { goldenImage }, { preprocess }] = await Promise.all(
    ['model-folder', 'engine', 'golden', 'preprocess'].map((name) => import(`/js/${name}.js`)));
  const folder = await openFolder(new URL('/model/', location));
  const entry = folder.artefacts.find(({ path }) => path === NAME);
  const session = await Session.open(entry, await fetchChecked(folder.base, entry.path, entry.sha256), 'wasm');
  const results = [];
  for (let index = 0; index < folder.golden.images.length; index++) {
    const image = await goldenImage(folder, index);
    const tensor = preprocess(image, folder.manifest.input, 'NCHW');
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', tensor));
    const { logits } = await session.run(preprocess(image, folder.manifest.input, session.layout));
    results.push({ sha256: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''), logits: [...logits] });
  }
  return results;
})()"""


def computed(browser: Browser, name: str) -> list[dict[str, Any]]:
    """The SHA-256 of the page's tensor, and the page's logits, of each golden image."""
    results: list[dict[str, Any]] = browser.call("evaluate", COMPUTED.replace("NAME", json.dumps(name)))
    return results


def golden_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "golden" / "golden.json").read_text())
    return document


def golden_tensors(folder: Path) -> NDArray[np.float32]:
    preprocess = Preprocess.from_manifest(read_manifest(folder)["input"])
    return np.stack([preprocess(Image.open(folder / "golden" / item["image"])) for item in golden_of(folder)["images"]])


def check_against_python(browser: Browser, folder: Path, name: str) -> None:
    """The same tensors bit by bit, and the logits and classes of the file as LiteRT runs it here."""
    golden, results = golden_of(folder), computed(browser, name)
    assert [result["sha256"] for result in results] == [item["tensor_sha256"] for item in golden["images"]]
    logits = np.array([result["logits"] for result in results])
    expected = find_target("tflite").load(folder / name)(golden_tensors(folder))
    assert np.abs(logits - expected).max() <= golden["artefacts"][name]["max_abs_error"]
    assert np.array_equal(logits.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_it_computes_what_python_computes(precision: str, browser: Browser, converted: Path) -> None:
    name = f"efficientvit_m0.{precision}.tflite"
    with page(browser, converted, CHECKED):
        browser.call("choose", "#artefact", name)
        browser.call("wait", f"{CHECKED} && document.getElementById('precision').textContent === '{precision}'")
        check_against_python(browser, converted, name)
        assert browser.call("text", "#agreement") == "This browser computes what Python computed."
        facts = browser.call("text", "#agreement-facts")
        assert "Tensors\nequal" in facts
        assert f"Class as this file in Python\n{IMAGES} of {IMAGES} images" in facts


SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--ignore-gpu-blocklist",
)


def test_webgpu_computes_what_python_computes(converted: Path) -> None:
    """On Chromium's software GPU, where it has one."""
    with Browser(*SOFTWARE_GPU) as browser, page(browser, converted, CHECKED):
        if not browser.call(
            "evaluate", "[...document.getElementById('accelerator').options].some((o) => o.value === 'webgpu')"
        ):
            pytest.skip("this Chromium has no software GPU")
        browser.call("choose", "#artefact", "efficientvit_m0.fp32.tflite")
        browser.call("choose", "#accelerator", "webgpu")
        browser.call("wait", f"{CHECKED} && document.getElementById('runtime').textContent.includes('WebGPU')", 180_000)
        assert browser.call("text", "#agreement") == "This browser computes what Python computed."
        assert f"Class as this file in Python\n{IMAGES} of {IMAGES} images" in browser.call("text", "#agreement-facts")


def test_what_is_on_screen(browser: Browser, converted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = read_manifest(converted)
    with page(browser, converted, PREDICTED):
        first_ms = browser.call("evaluate", "performance.getEntriesByName('prediction')[0].startTime")
        assert browser.call("text", "h1") == "efficientvit_m0"
        assert "10 classes, 224 x 224 pixels" in browser.call("text", "#about")
        assert browser.call("text", "#precision") == "int8"
        assert "LiteRT.js 2.5.3, WebAssembly with XNNPACK" in browser.call("text", "#runtime")
        assert " ms" in browser.call("text", "#latency")
        shown = browser.call("text", "#predictions").split("\n")
        golden = golden_of(converted)
        (logits,) = np.array(golden["artefacts"]["efficientvit_m0.int8.tflite"]["logits"][:1])
        best = np.argsort(-logits)[:5]
        assert shown[::2] == [manifest["labels"][index] for index in best]
        probabilities = np.exp(logits) / np.exp(logits).sum()
        assert shown[1::2] == [f"{100 * probabilities[index]:.1f} %" for index in best]
    with capsys.disabled():
        print(f"\npage load to the first prediction of int8: {first_ms:.0f} ms")


def test_a_photo_of_the_user(browser: Browser, converted: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    photo = Image.fromarray(pixels).resize((350, 270), Image.Resampling.BICUBIC)
    photo.save(tmp_path / "photo.png")
    manifest = read_manifest(converted)
    tensor = Preprocess.from_manifest(manifest["input"])(photo)
    (logits,) = find_target("tflite").load(converted / "efficientvit_m0.int8.tflite")(tensor[None])
    (tmp_path / "text.png").write_text("no image")
    with page(browser, converted, CHECKED):
        browser.call("upload", "#file", str(tmp_path / "photo.png"))
        browser.call("wait", "document.getElementById('preview').width === 350 && " + PREDICTED)
        assert browser.call("text", "#predictions").split("\n")[0] == manifest["labels"][int(logits.argmax())]
        browser.call("upload", "#file", str(tmp_path / "text.png"))
        browser.call("wait", FAILED)
        assert "text.png" in browser.call("text", "#failure")
        browser.call("upload", "#file", str(tmp_path / "photo.png"))
        browser.call("wait", f"!({FAILED})")


DROP = """(() => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([new Uint8Array(BYTES)], 'dropped.png', { type: 'image/png' }));
  document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: dropped, bubbles: true, cancelable: true }));
})()"""


def test_a_photo_that_is_dropped(browser: Browser, converted: Path, tmp_path: Path) -> None:
    Image.new("RGB", (45, 33), (200, 30, 30)).save(tmp_path / "dropped.png")
    content = list((tmp_path / "dropped.png").read_bytes())
    with page(browser, converted, CHECKED):
        browser.call("evaluate", DROP.replace("BYTES", json.dumps(content)))
        browser.call("wait", "document.getElementById('preview').width === 45 && " + PREDICTED)


def test_a_phones_photo_is_turned_as_its_exif_says(browser: Browser, converted: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (6, 8, 3), np.uint8)
    photo = Image.fromarray(pixels).resize((80, 60), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    photo.save(tmp_path / "photo.jpg", quality=95, exif=exif)
    with page(browser, converted, CHECKED):
        browser.call("upload", "#file", str(tmp_path / "photo.jpg"))
        browser.call("wait", "document.getElementById('preview').width === 60 && " + PREDICTED)
        assert browser.call("evaluate", "document.getElementById('preview').height") == 80


def test_the_camera(browser: Browser, converted: Path) -> None:
    """Chromium's stand-in for one: it shows moving pictures."""
    with page(browser, converted, CHECKED):
        before = browser.call("evaluate", "document.getElementById('preview').width")
        browser.call("click", "#camera")
        browser.call("wait", "document.getElementById('viewfinder').videoWidth > 0 && " + DONE)
        assert browser.call("text", "#camera") == "Take the picture"
        browser.call("click", "#camera")
        browser.call("wait", f"document.getElementById('preview').width !== {before} && " + PREDICTED)
        assert not browser.call("visible", "#viewfinder")
        assert browser.call("evaluate", "document.getElementById('viewfinder').srcObject") is None


def test_the_benchmarks_report_is_read_by_profile(browser: Browser, converted: Path, tmp_path: Path) -> None:
    with page(browser, converted, CHECKED):
        browser.call("click", "#measure")
        browser.call("wait", "!document.getElementById('download').hidden")
        assert browser.call("download", "#download", str(tmp_path / "report.json")) == "efficientvit_m0.web-report.json"
        assert browser.call("evaluate", "document.querySelectorAll('#latencies tbody tr').length") == 2
    artefacts = sorted(converted.glob("*.tflite"))
    place = f"web-report:{tmp_path / 'report.json'}"
    document = profile(artefacts, place=place, settings=Settings(), out=tmp_path / "profile.jsonl")
    for record in document["profiles"]:
        assert record["latency_ms"]["runs"] == 400
        assert record["runtime"]["name"] == "LiteRT.js 2.5.3, WebAssembly with XNNPACK, CPU, 1 thread"
        assert record["artefact"]["model"] == "efficientvit_m0"


def test_another_model_needs_no_other_code(browser: Browser, five_classes: Path) -> None:
    manifest = read_manifest(five_classes)
    assert (manifest["input"]["resize"]["mode"], manifest["input"]["interpolation"]) == ("cover", "bicubic")
    with page(browser, five_classes, CHECKED):
        check_against_python(browser, five_classes, "efficientvit_b0.fp32.tflite")
        assert "5 classes, 192 x 256 pixels" in browser.call("text", "#about")
        labels = browser.call("text", "#predictions").split("\n")[::2]
        assert sorted(labels) == [f"kind {letter}" for letter in "abcde"]


Change = Callable[[Path, dict[str, Any]], object]


def truncate(folder: Path, manifest: dict[str, Any], *, vouched: bool) -> None:
    """Cuts every file off; the manifest may vouch for that."""
    for entry in manifest["artefacts"]:
        path = folder / entry["path"]
        path.write_bytes(path.read_bytes()[:20_000])
        if vouched:
            entry["sha256"] = sha256(path)


def vouch_for_golden(folder: Path, manifest: dict[str, Any], **changes: Any) -> None:
    path = folder / manifest["golden"]["path"]
    path.write_text(json.dumps(golden_of(folder) | changes))
    manifest["golden"]["sha256"] = sha256(path)


FAULTS: dict[str, tuple[Change, str]] = {
    "unknown schema": (lambda _, manifest: manifest.update(schema=2), "manifest.json of schema 2"),
    "another task": (lambda _, manifest: manifest["model"].update(task="segmentation"), "task segmentation"),
    "no file for browsers": (lambda _, manifest: manifest.update(artefacts=[]), "no artefact"),
    "fields missing": (lambda _, manifest: manifest.pop("input"), "fields missing"),
    "wrong hashes": (
        lambda _, manifest: [entry.update(sha256="0" * 64) for entry in manifest["artefacts"]],
        "int8.tflite, whose SHA-256",
    ),
    "wrong hash of golden.json": (
        lambda _, manifest: manifest["golden"].update(sha256="0" * 64),
        "golden.json, whose SHA-256",
    ),
    "a missing artefact": (lambda folder, _: (folder / "efficientvit_m0.int8.tflite").unlink(), "HTTP 404"),
    "a cut off artefact": (lambda folder, manifest: truncate(folder, manifest, vouched=False), "whose SHA-256"),
    "a damaged artefact": (lambda folder, manifest: truncate(folder, manifest, vouched=True), "LiteRT.js cannot open"),
    "integers only": (
        lambda _, manifest: [entry["inputs"][0].update(dtype="int8") for entry in manifest["artefacts"]],
        "takes int8",
    ),
    "unknown golden schema": (lambda folder, manifest: vouch_for_golden(folder, manifest, schema=7), "schema 7"),
    "another number of classes": (lambda _, manifest: manifest["model"].update(num_classes=1000), "10 logits"),
    "unknown preprocessing": (lambda _, manifest: manifest["input"].update(interpolation="hamming"), "hamming"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_a_screen(fault: str, browser: Browser, converted: Path, tmp_path: Path) -> None:
    change, named = FAULTS[fault]
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    manifest = read_manifest(folder)
    change(folder, manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with page(browser, folder, FAILED):
        text = browser.call("text", "#failure")
        assert named in text
        assert "this is a bug" not in text
        assert "undefined" not in text
        assert not browser.call("visible", "#result")


@pytest.mark.parametrize("content", [None, "{", "null"])
def test_a_manifest_that_is_missing_or_none_has_a_screen(content: str | None, browser: Browser, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with page(browser, tmp_path, FAILED):
        assert "manifest.json" in browser.call("text", "#failure")
        assert "this is a bug" not in browser.call("text", "#failure")


def test_after_a_fault_another_artefact_can_be_chosen(browser: Browser, converted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    (folder / "efficientvit_m0.int8.tflite").write_bytes(b"damaged")
    with page(browser, folder, FAILED):
        browser.call("choose", "#artefact", "efficientvit_m0.fp32.tflite")
        browser.call("wait", CHECKED)
        assert browser.call("text", "#precision") == "fp32"
        assert not browser.call("visible", "#failure")


def test_golden_vectors_that_differ_are_said_to(browser: Browser, converted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    manifest = read_manifest(folder)
    artefacts = golden_of(folder)["artefacts"]
    artefacts["efficientvit_m0.int8.tflite"]["logits"][5][2] += 1
    vouch_for_golden(folder, manifest, artefacts=artefacts)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with page(browser, folder, CHECKED):
        assert "further from Python" in browser.call("text", "#agreement")
        assert "at most 1.0 apart" in browser.call("text", "#agreement-facts")


def test_a_folder_without_golden_vectors(browser: Browser, converted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    (folder / "manifest.json").write_text(json.dumps(read_manifest(folder) | {"golden": None}))
    with page(browser, folder, DONE + " && !document.getElementById('picture').hidden"):
        assert not browser.call("visible", "#golden")
        assert not browser.call("visible", "#failure")


NAMELESS = """[...document.querySelectorAll('button, select, input, a, canvas, video, progress')].filter((item) =>
  !(item.labels?.length || item.getAttribute('aria-label') || item.textContent.trim())).map((item) => item.id)"""
REACHED = "document.activeElement.id || document.activeElement.tagName"


def test_everything_has_a_name_and_is_reached_by_keyboard(browser: Browser, converted: Path) -> None:
    with page(browser, converted, CHECKED):
        assert browser.call("evaluate", NAMELESS) == []
        reached = []
        for _ in range(7):
            browser.call("press", "Tab")
            reached.append(browser.call("evaluate", REACHED))
        assert reached == ["artefact", "accelerator", "file", "camera", "check", "measure", "A"]
        browser.call("evaluate", "document.getElementById('artefact').focus()")
        browser.call("press", "ArrowUp")
        browser.call("wait", f"{CHECKED} && document.getElementById('precision').textContent === 'fp32'")
        assert browser.call("evaluate", REACHED) == "artefact"


COLOURS = """Object.fromEntries(['background', 'surface', 'text', 'quiet', 'accent', 'on-accent', 'bar', 'bad', 'good'].map((name) =>
  [name, getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()]))"""
PAIRS = [
    *(("text", under) for under in ("background", "surface", "bar")),
    *(("quiet", under) for under in ("background", "surface")),
    *((text, "surface") for text in ("accent", "bad", "good")),
    ("on-accent", "accent"),
]


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb", as WCAG 2 defines it."""
    values = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_contrast_and_width(width: int, dark: bool, browser: Browser, converted: Path) -> None:
    with page(browser, converted, CHECKED, width=width, dark=dark):
        colours = browser.call("evaluate", COLOURS)
        for text, under in PAIRS:
            low, high = sorted((luminance(colours[text]), luminance(colours[under])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, under)
        assert browser.call("evaluate", "document.documentElement.scrollWidth") <= width
        assert browser.call("evaluate", "getComputedStyle(document.body).backgroundColor") == (
            "rgb(17, 20, 24)" if dark else "rgb(246, 247, 249)"
        )
