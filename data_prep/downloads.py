"""Where the data of the published experiments come from, and the commands that prepare them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """A data set as its page gives it."""

    data: str
    page: str
    get: str
    """What to download there."""
    source: str
    """What is prepared."""
    before: str = ""
    """A command between the two."""

    def commands(self, protocol: str, out: str) -> list[str]:
        """What to run once it is downloaded."""
        return [*filter(None, [self.before]), f"rsd-mri prep {self.source} --protocol {protocol} --out {out}"]


DOWNLOADS = {
    "cifar10": Download(
        "CIFAR-10",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "the binary version, cifar-10-binary.tar.gz",
        "cifar-10-binary.tar.gz",
    ),
    "ffhq": Download(
        "FFHQ",
        "https://github.com/NVlabs/ffhq-dataset",
        "the folder images1024x1024",
        "images1024x1024",
    ),
    "celeba": Download(
        "CelebA-HQ",
        "https://github.com/switchablenorms/CelebAMask-HQ",
        "CelebAMask-HQ.zip; its masks are left out",
        "CelebAMask-HQ.zip",
    ),
    "afhq": Download(
        "AFHQ-v2",
        "https://github.com/clovaai/stargan-v2",
        "afhq_v2.zip ('bash download.sh afhq-v2-dataset')",
        "afhq_v2.zip",
    ),
    "mri": Download(
        "fastMRI brain",
        "https://fastmri.med.nyu.edu",
        "the multi-coil brain training scans, of which AXT2 are used",
        "axt2",
        'mkdir axt2 && ln -s "$PWD"/multicoil_train/file_brain_AXT2_*.h5 axt2/',
    ),
}


def download_of(protocol: str) -> Download | None:
    """The data of a published experiment, by the name of its protocol; None where it is not one."""
    if protocol.startswith("mini-"):
        return None
    return DOWNLOADS.get("mri" if protocol.startswith("fastmri-") else protocol.rsplit("-", 1)[-1])


def how_to_get(protocol: str, then: str = "train") -> str:
    """One sentence with the page and the commands, or nothing where the protocol is of no published experiment.

    Parameters
    ----------
    protocol
        Its name.
    then
        `train` or `bench`: the last command.
    """
    found = download_of(protocol)
    if found is None:
        return ""
    out = f"{found.data.split()[0].lower()}-prepared"
    name = protocol.replace("fastmri-", "mri-")
    last = {
        "train": f"rsd-mri train --protocol {protocol} --data {out}",
        "bench": f"rsd-mri bench run {name} --scale paper --data {out}",
    }[then]
    commands = "; ".join([*found.commands(protocol, out), last])
    return f"{found.data}: get {found.get} from {found.page}, then run: {commands}"
