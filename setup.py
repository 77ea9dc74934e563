"""The distribution `telemetry-pipeline`: the package, its data, and the command `telemetry`.

What is installed for development and CI comes hashed from `requirements.lock`, which `make lock`
derives from this file and `requirements.in`.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

version_line = re.search(
    r'^__version__ = "([^"]+)"$', (ROOT / "pipeline" / "__init__.py").read_text("utf-8"), re.M
)
assert version_line is not None, "pipeline/__init__.py has no __version__ line"

RUNTIME = [
    "apache-beam==2.77.*",
    "click>=8.1",
    "crc32c>=2.7",  # kafka-python's own checksum is a thousand times slower
    "deltalake>=1.6,<1.7",
    "duckdb>=2.0,<3",
    "geoip2>=5.0,<6",
    "grpcio>=1.60",  # Beam's; how a run elsewhere tells that its job server does not answer
    "kafka-python>=3.0.12,<3.1",  # the raw batch reader relies on attributes of 3.0
    "lz4>=4.3",
    "numpy>=2.0,<3",
    "prometheus-client>=0.21",
    "pyarrow>=25.0.1,<26",
    "python-snappy>=0.7",
    "PyYAML>=6.0",
    "rich>=13.7",
    "ua-parser>=1.0.1,<2",
    "ua-parser-rs>=0.1.3",
    "zstandard>=0.23",
]

EXTRAS = {
    # Differentially private releases.
    "dp": ["opendp>=0.14"],
    # Dataflow, and keys in Google Cloud Secret Manager. Not in the lock: Beam's own Google parts
    # are large, and with only some of them installed Beam warns at every import.
    "gcp": ["apache-beam[gcp]==2.77.*", "google-cloud-secret-manager>=2.20"],
    "dev": [
        "confluent-kafka>=2.8",
        "hypothesis>=6.120",
        "kubernetes-validate>=1.37",  # the published schemas, and what checks against them
        "mmdb-writer>=0.2.5",
        "mypy>=2.4",
        "pandas>=2.2",
        "playwright>=1.49",
        "polars>=1.20",
        "psutil>=6.1",
        "pytest>=9.0",
        "pytest-xdist>=3.6",
        "python-hcl2>=8.1",
        "ruff>=0.17,<0.18",
        "types-PyYAML>=6.0",
    ],
}

# The schemas live at the top of the repository, where people look for them; in the installed
# package they are the data of `pipeline.schemas`.
PACKAGES = {"pipeline": "pipeline", "pipeline.schemas": "schemas"}

DATA = {
    "pipeline": ["py.typed"],
    "pipeline.schemas": [
        "*.yaml",
        "**/*.yaml",
        "**/*.toml",
        "**/*.json",
        "**/*.txt",
        "**/*.tsv",
        "**/*.csv",
        "**/*.md",
        "**/*.mmdb",
    ],
    "pipeline.dashboard": [
        "**/*.html",
        "**/*.css",
        "**/*.js",
        "**/*.json",
        "**/*.toml",
        "**/*.txt",
    ],
}

setup(
    name="telemetry-pipeline",
    version=version_line.group(1),
    description="Usage telemetry: request logs in, anonymized Parquet out, each event once",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=[*find_packages(include=["pipeline", "pipeline.*"]), "pipeline.schemas"],
    package_dir=PACKAGES,
    package_data=DATA,
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["telemetry = pipeline.cli.main:main"]},
    zip_safe=False,
)
