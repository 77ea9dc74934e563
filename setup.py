"""The distribution's entry point: packages and kernel. What is static is in `pyproject.toml`.

What is installed for development and CI comes hashed from `requirements.lock`, which `make lock`
derives from `pyproject.toml` and `requirements.in`.
"""

from setuptools import find_packages, setup
from setuptools_rust import RustExtension

# Optional: without cargo (1.88 or newer) the installation succeeds, and decoding runs in Python,
# about ten times slower. One library serves every Python from 3.11 on.
KERNEL = RustExtension(
    "pipeline.kernel",
    path="kernel/Cargo.toml",
    args=["--locked"],
    rust_version=">=1.88",
    py_limited_api=True,
    optional=True,
    debug=False,
)

setup(
    # Schemas and documentation live at the top of the repository, where people look for them; in
    # the installed package they are the data of `pipeline.schemas` and `pipeline.docs`.
    packages=[
        *find_packages(include=["pipeline", "pipeline.*"]),
        "pipeline.schemas",
        "pipeline.docs",
    ],
    package_dir={"pipeline": "pipeline", "pipeline.schemas": "schemas", "pipeline.docs": "docs"},
    rust_extensions=[KERNEL],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
