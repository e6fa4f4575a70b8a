"""Fetches the source of a package from the index that pip is configured for: pip itself would build it.

    fetch-sdist.py PACKAGE VERSION SHA256 FOLDER

unpacks it below FOLDER. Index, proxies and certificates are those of `pip download`, which has no public interface for this.
"""

import hashlib
import io
import sys
import tarfile

from pip._internal.commands import create_command


def fetch(package, version):
    download = create_command("download")
    with download.main_context():
        options, _ = download.parse_args([package])
        session = download.get_default_session(options)
        finder = download._build_package_finder(options, session)
        for candidate in finder.find_all_candidates(package):
            if str(candidate.version) == version and not candidate.link.is_wheel:
                response = session.get(candidate.link.url_without_fragment)
                response.raise_for_status()
                return response.content
    sys.exit(f"the package index has no source of {package} {version}")


def main(package, version, sha256, folder):
    content = fetch(package, version)
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        sys.exit(f"the source of {package} {version} has the SHA-256 {actual}, expected was {sha256}")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder)


main(*sys.argv[1:])
