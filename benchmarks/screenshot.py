"""The pictures of README.md, taken from the real app: `python benchmarks/screenshot.py`.

Needs Chromium (Debian's package chromium) and writes docs/*.png, in 256 colours, so that they stay small.
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

VIEWS = {  # file in docs/ -> address, and the size of the window
    "evaluate": ("evaluate?checkpoint=cifar10-fastnet&true=cat&predicted=dog", (1360, 1330)),
    "explain": ("explain", (1360, 1400)),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server.ours(Path(folder))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            for name, (address, (width, height)) in VIEWS.items():
                page = browser.new_page(viewport={"width": width, "height": height}, locale="en-US")
                page.goto(f"{server.url}/{address}")
                settled(page)
                page.wait_for_timeout(3000)  # charts, pictures, fonts
                shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                target = ROOT / f"docs/{name}.png"
                target.parent.mkdir(exist_ok=True)
                shot.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
                print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e3:.0f} kB")
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main()
