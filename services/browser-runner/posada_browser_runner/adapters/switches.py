"""The command line and the environment of a lean, quiet, marked Chromium."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from posada_runtime.processes import MARK_VARIABLE, Mark

from posada_browser_runner.adapters.find import Kind

#: The last `--disable-features` wins, so this one list holds Playwright's own, which its automation counts on, and
#: two more that start a hidden page for every context.
_DISABLED_FEATURES = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "GlobalMediaControls",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
    "Translate",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxPopup",
)
_ENABLED_FEATURES = ("CDPScreenshotNewSurface", "SkipListAccountsWithoutGaiaCookies")
_ALWAYS = (
    "--remote-debugging-port=0",  # on loopback; Chromium writes the port it got into its profile
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-component-extensions-with-background-pages",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-field-trial-config",
    "--disable-sync",
    "--metrics-recording-only",
    "--disable-back-forward-cache",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-hang-monitor",
    "--disable-popup-blocking",
    "--disable-prompt-on-repost",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    "--use-mock-keychain",
    "--lang=es-ES",
    "--accept-lang=es-ES,es",
    "--window-size=1280,900",
    f"--disable-features={','.join(_DISABLED_FEATURES)}",
    f"--enable-features={','.join(_ENABLED_FEATURES)}",
)
_WEBRTC_ONLY_THROUGH_PROXY = (
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
)
#: What a browser may know of the runner's environment, which also holds secrets.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "FONTCONFIG_PATH", "FONTCONFIG_FILE")
_ENOUGH_SHARED_MEMORY = 2 << 30
_LONGEST_SOCKET_FOLDER = 60  #: of the 107 bytes that a socket's path may have, 45 are Chromium's


def command_line(
    kind: Kind,
    profile_dir: Path,
    mark: Mark,
    *,
    proxy_port: int | None,
    user_agent: str | None,
    sandbox: bool | None,
    extra_args: Sequence[str],
) -> list[str]:
    """All arguments but the program. `sandbox=None`: on, unless this is root, for whom it cannot work."""
    return [
        *_ALWAYS,
        *(["--headless=new"] if kind == "chrome" else []),
        *_marks(mark),
        f"--user-data-dir={profile_dir}",
        *_for_this_machine(sandbox),
        *_way_out(proxy_port),
        *([f"--user-agent={user_agent}"] if user_agent else []),
        *extra_args,
        "about:blank",
    ]


def _marks(mark: Mark) -> Iterator[str]:
    yield f"--posada-session={mark.session_id}"
    # Chromium's children lose the mark in their environment to the title they show, and take few switches over from
    # their parent. This is one of them: verbose logging, at level none, of a module that does not exist.
    yield f"--vmodule={mark.encode()}=0"


def sandboxed(sandbox: bool | None) -> bool:
    """Whether Chromium's sandbox is on; `None`: unless this is root, for whom it cannot work."""
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return not as_root if sandbox is None else sandbox


def _for_this_machine(sandbox: bool | None) -> Iterator[str]:
    if not sandboxed(sandbox):
        yield "--no-sandbox"
    shared = Path("/dev/shm")  # noqa: S108 - only its size is looked at
    if shared.is_dir() and _free(shared) < _ENOUGH_SHARED_MEMORY:
        yield "--disable-dev-shm-usage"  # containers have 64 MB, and a browser without room there crashes


def _free(path: Path) -> int:
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize


def _way_out(proxy_port: int | None) -> Iterator[str]:
    if proxy_port is not None:
        yield f"--proxy-server=http://127.0.0.1:{proxy_port}"
        yield "--proxy-bypass-list=<-loopback>"  # loopback goes through the proxy, too
        yield from _WEBRTC_ONLY_THROUGH_PROXY


def environment(tmp_dir: Path, mark: Mark) -> dict[str, str]:
    """The browser's environment; it is to run in `tmp_dir`."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return kept | {
        MARK_VARIABLE: mark.encode(),
        "TMPDIR": _reachable(tmp_dir),
        "BREAKPAD_DUMP_LOCATION": str(tmp_dir),  # a crash dump holds the session's secrets
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        "CHROME_HEADLESS": "1",
    }


def _reachable(tmp_dir: Path) -> str:
    """A name for `tmp_dir` that is short enough: Chromium makes a socket below it."""
    if sys.platform == "linux" and len(os.fsencode(tmp_dir)) > _LONGEST_SOCKET_FOLDER:
        return "/proc/self/cwd"
    return str(tmp_dir)
