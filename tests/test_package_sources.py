"""Mirrors, indexes and CAs of this machine are found, and only what is of use elsewhere is passed on."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from secrets_quickstart.errors import ImageError
from secrets_quickstart.host import package_sources


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_one_line_entries_become_deb822(root):
    write(
        root,
        "etc/apt/sources.list",
        "deb [trusted=yes arch=amd64] http://m/d bookworm main contrib # here\ndeb-src http://m/d bookworm main\n",
    )
    assert package_sources.apt_sources(root, "bookworm") == (
        "Types: deb\nURIs: http://m/d\nSuites: bookworm\nComponents: main contrib\nTrusted: yes\n"
    )


def test_only_debians_own_suites_are_taken(root):
    write(
        root,
        "etc/apt/sources.list.d/a.sources",
        "# ours\nTypes: deb deb-src\nURIs: http://m/d\nSuites: bookworm bookworm-updates bookworm-backports\n"
        "Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
        "Types: deb\nURIs: http://m/off\nSuites: bookworm\nComponents: main\nEnabled: no\n",
    )
    write(root, "etc/apt/sources.list.d/docker.list", "deb http://x/docker bookworm stable\n")
    write(
        root,
        "etc/apt/sources.list.d/a.sources.disabled",
        "Types: deb\nURIs: http://z\nSuites: bookworm\nComponents: main\n",
    )
    assert package_sources.apt_sources(root, "bookworm") == (
        "Types: deb\nURIs: http://m/d\nSuites: bookworm bookworm-updates\nComponents: main\n"
    )


@pytest.mark.parametrize("line", ["deb", "deb [", "deb http://m/d", "deb http://m/d trixie main", "rubbish", ""])
def test_incomplete_lines_are_no_sources(root, line):
    write(root, "etc/apt/sources.list", line)
    assert package_sources.apt_sources(root, "bookworm") == ""


def test_a_mirrors_own_key_goes_along_since_its_file_does_not(root):
    (root / "etc/apt/keyrings").mkdir()
    (root / "etc/apt/keyrings/ours.gpg").write_bytes(b"\x99\x01key")
    write(root, "etc/apt/sources.list", "deb [signed-by=/etc/apt/keyrings/ours.gpg] http://m/d bookworm main")
    found = package_sources.apt_sources(root, "bookworm")
    assert (
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n " + base64.b64encode(b"\x99\x01key").decode() in found
    )


def test_without_a_source_of_the_suite_the_error_says_what_to_do(root):
    with pytest.raises(ImageError, match="bookworm") as caught:
        package_sources.read({}, "bookworm", root)
    assert "sources.list.d" in caught.value.fix


def test_apts_options_about_the_way_to_a_mirror_are_kept_and_files_of_this_machine_are_not():
    dump = (
        'APT::Architecture "amd64";\nAcquire::http::Proxy "http://u:p@proxy:3128";\n'
        'Acquire::https::CAInfo "/etc/our.pem";\n'
        'Acquire::https::mirror::SslKey "/etc/key";\nAcquire::Languages "de";\nAcquire::Check-Valid-Until "false";\n'
    )
    assert package_sources.apt_options(dump, with_ca=True) == (
        'Acquire::http::Proxy "http://u:p@proxy:3128";\nAcquire::Check-Valid-Until "false";\n'
        'Acquire::https::CAInfo "/run/secrets/ca";\n'
    )
    assert package_sources.apt_options("", with_ca=False) == ""


def test_pips_variables_win_over_its_files_and_places_on_this_machine_are_left_out(root):
    write(
        root, "etc/pip.conf", "[global]\nindex-url = https://a/simple\ncert = /etc/ca.pem\nfind-links = /opt/wheels\n"
    )
    write(root, "home/.config/pip/pip.conf", "[install]\nextra-index-url = file:///opt/pypi\n  https://b/simple\n")
    environment = {"HOME": str(root / "home"), "PIP_TRUSTED_HOST": "a b"}
    found = package_sources.pip_settings(environment, root)
    assert found == {
        "index-url": ("https://a/simple",),
        "extra-index-url": ("https://b/simple",),
        "trusted-host": ("a", "b"),
    }
    environment["PIP_INDEX_URL"] = "https://u:p@c/simple"
    assert package_sources.pip_settings(environment, root)["index-url"] == ("https://u:p@c/simple",)


def test_pips_settings_are_written_for_pip_and_for_uv():
    import tomllib
    from configparser import RawConfigParser

    settings = {"index-url": ("https://u:p%40@c/simple",), "extra-index-url": ("https://a", "https://b")}
    parser = RawConfigParser()
    parser.read_string(package_sources.pip_conf(settings))
    assert parser.get("global", "extra-index-url").split() == ["https://a", "https://b"]
    assert tomllib.loads(package_sources.uv_toml(settings)) == {
        "index-url": "https://u:p%40@c/simple",
        "extra-index-url": ["https://a", "https://b"],
    }
    assert package_sources.pip_conf({}) == package_sources.uv_toml({}) == ""


def test_a_spoilt_pip_conf_is_named_without_its_lines(root):
    write(root, "etc/pip.conf", "index-url = https://user:hunter2@a\n")
    with pytest.raises(ImageError, match=r"pip\.conf") as caught:
        package_sources.pip_settings({}, root)
    assert "hunter2" not in f"{caught.value}{caught.value.fix}{caught.value.log}"
    assert caught.value.__suppress_context__, "a traceback would quote the line"


def test_a_pip_config_file_of_dev_null_means_none(root):
    write(root, "etc/pip.conf", "[global]\nindex-url = https://a\n")
    assert package_sources.pip_settings({"PIP_CONFIG_FILE": "/dev/null"}, root) == {}


def test_the_files_of_a_build_do_not_show_when_printed(root):
    write(root, "etc/apt/sources.list", "deb http://user:hunter2@m/d bookworm main")
    found = package_sources.read({"PATH": ""}, "bookworm", root)
    assert b"hunter2" in found.apt_sources.reveal()
    assert "hunter2" not in repr(found)


def test_proxies_are_known_in_both_spellings():
    assert package_sources.proxies({"HTTPS_PROXY": "x", "no_proxy": "y", "http_proxy": "", "PATH": "z"}) == (
        "HTTPS_PROXY",
        "no_proxy",
    )
