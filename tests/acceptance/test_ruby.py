"""Ruby functions in real sandboxes, with whatever Ruby this machine has."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo._service import Service
from lamina.runtimes import Choice, Runtimes, RuntimeUnavailable, write_choice

from .conftest import Functions, client, package

NAME = "ruby3.4"


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    """A service that runs ``ruby3.4`` with the Ruby of this machine."""
    program = shutil.which("ruby")
    if program is None:
        pytest.skip("there is no Ruby here")
    try:
        Runtimes.discover().with_program(NAME, Path(program))
    except RuntimeUnavailable as error:
        pytest.skip(str(error))
    data = tmp_path_factory.mktemp("ruby") / "data"
    write_choice(data, NAME, Choice(path=Path(program)))
    service = Service(data)
    yield Functions(client(service.address))
    service.stop()


def create(functions: Functions, source: str, **members: object) -> str:
    values = {"Runtime": NAME, "Code": {"ZipFile": package(source, "app.rb")}, **members}
    return functions.create("", **values)


def test_runs_and_stays_warm_and_takes_new_code(functions: Functions) -> None:
    source = """
require 'openssl'
COUNT = [0]
def handler(event:, context:)
  COUNT[0] += 1
  { said: event['name'], count: COUNT[0], user: Process.uid != 0, cwd: Dir.pwd, execution: ENV['AWS_EXECUTION_ENV'],
    left: context.get_remaining_time_in_millis.positive?, hash: OpenSSL::Digest::SHA256.hexdigest('a')[0, 4] }
end
"""
    name = create(functions, source)
    answers = [functions.call(name, {"name": "Ädä"}) for _ in range(3)]
    assert [answer.pop("count") for answer in answers] == [1, 2, 3]
    assert answers[0] == {
        "said": "Ädä", "user": True, "cwd": "/var/task", "execution": f"AWS_Lambda_{NAME}", "left": True,
        "hash": "ca97"}  # fmt: skip
    functions.client.update_function_code(
        FunctionName=name, ZipFile=package("def handler(event:, context:); 2; end", "app.rb")
    )
    functions.client.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert functions.call(name) == 2


def test_variables_that_matter_at_the_start_are_there_then(functions: Functions) -> None:
    source = "def handler(event:, context:); [$DEBUG, $VERBOSE, ENV['OWN']]; end"
    name = create(functions, source, Environment={"Variables": {"RUBYOPT": "-W:no-deprecated -w", "OWN": "ü"}})
    assert functions.call(name) == [False, True, "ü"]


def test_gems_of_the_package_are_found(functions: Functions) -> None:
    found = Runtimes.discover().with_program(NAME, Path(shutil.which("ruby") or ""))
    home = found.environment["GEM_PATH"].split(":")[0].removeprefix("/var/task/")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.rb", "require 'own'\ndef handler(event:, context:); OWN; end")
        archive.writestr(f"{home}/specifications/own-1.0.gemspec", "Gem::Specification.new('own', '1.0')\n")
        archive.writestr(f"{home}/gems/own-1.0/lib/own.rb", "OWN = 'mine'\n")
    assert functions.call(create(functions, "", Code={"ZipFile": buffer.getvalue()})) == "mine"


def said(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_ruby_outside_usr_finds_its_own_library(tmp_path: Path, functions: Functions) -> None:
    real = Path(shutil.which("ruby") or "").resolve()
    described = "require 'rbconfig'; puts RbConfig::CONFIG.values_at('rubylibdir', 'rubyarchdir', 'arch')"
    library, compiled, architecture = said(real, "-e", described).splitlines()
    prefix = tmp_path / "3.9.0"
    shutil.copytree(library, prefix / "lib/ruby" / Path(library).name)
    shutil.copytree(compiled, prefix / "lib/ruby" / Path(library).name / architecture, dirs_exist_ok=True)
    (prefix / "bin").mkdir()
    shutil.copy(real, prefix / "bin/ruby")
    for file in re.findall(r"=> (\S*libruby\S*)", said("ldd", real)):
        shutil.copy(file, prefix / "lib")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    write_choice(tmp_path / "data", NAME, Choice(path=prefix / "bin/ruby"))
    service = Service(tmp_path / "data")
    try:
        source = "require 'digest'\ndef handler(event:, context:); $LOADED_FEATURES; end"
        found = Functions(client(service.address))
        features = found.call(create(found, source))
    finally:
        service.stop()
    # What a distribution has patched into its gems is compiled into its program.
    left_out = ("/var/runtime/", "/usr/lib/ruby/vendor_ruby/")
    used = [feature for feature in features if feature.startswith("/") and not feature.startswith(left_out)]
    assert any(feature.endswith("digest.so") for feature in used)
    assert [feature for feature in used if not feature.startswith(("/var/lang/lib/ruby/", "/var/task/"))] == []


def test_errors_have_awss_shape(functions: Functions) -> None:
    name = create(functions, "def handler(event:, context:)\n  event ? raise('no luck') : nowhere\nend\n")
    error = functions.fail(name, 1)
    [frame] = error.pop("stackTrace")
    assert error == {"errorMessage": "no luck", "errorType": "Function<RuntimeError>"}
    assert frame.startswith("/var/task/app.rb:2:in ")
    assert functions.fail(name, None)["errorType"] == "Function<NameError>"
    assert functions.fail(name, 1)["errorType"] == "Function<RuntimeError>", "a new environment after a critical one"
    name = create(functions, "require 'nothing/there'")
    assert functions.fail(name)["errorType"] == "Init<LoadError>"
