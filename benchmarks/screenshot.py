"""The picture at the top of README.md, taken from the real app: `python benchmarks/screenshot.py`.

Needs Chromium (Debian's package chromium) and writes docs/evaluate.png, in 256 colours, so that it stays small.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, the folder of the script is on the path, not the project's

from playwright.sync_api import sync_playwright  # noqa: E402

from tests.browser.harness import CHROMIUM, FLAGS, Server, settled  # noqa: E402

VIEW = "evaluate?checkpoint=cifar10-fastnet&true=cat&predicted=dog"
SIZE = {"width": 1360, "height": 1330}
TARGET = ROOT / "docs/evaluate.png"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server.ours(Path(folder))
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport=SIZE, locale="en-US")
            page.goto(f"{server.url}/{sys.argv[1] if len(sys.argv) > 1 else VIEW}")
            settled(page)
            page.wait_for_selector(
                '[data-testid="stVegaLiteChart"] svg, [data-testid="stVegaLiteChart"] canvas'
            )
            page.wait_for_timeout(1500)  # pictures, fonts
            shot = Image.open(io.BytesIO(page.screenshot()))
            browser.close()
        finally:
            server.stop()
    TARGET.parent.mkdir(exist_ok=True)
    shot.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(TARGET, optimize=True)
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
