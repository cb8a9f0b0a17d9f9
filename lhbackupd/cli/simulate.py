"""`lhbackupd simulate`: a simulated Longhorn on loopback."""

import asyncio

import click

from lhbackupd.cli.options import FAILED, clock_option, die, leaves
from lhbackupd.clock import Clock


@click.command("simulate")
@click.option("--port", type=click.IntRange(0, 65535), default=9500, show_default=True, help="0 picks a free one.")
@click.option("--nodes", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option(
    "--volumes",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="So many volumes to begin with, vol-0001 and so on: detached, with 8 MiB of data, in namespace shop.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Equal seeds give equal ids.")
@clock_option
def command(port: int, nodes: int, volumes: int, seed: int, clock: Clock) -> None:
    """Serve a simulated Longhorn on 127.0.0.1 until interrupted.

    Its REST API is Longhorn's, under /v1; writes, pods and faults are made under /sim (see docs/simulator.md). Exit
    code 0 when it is interrupted, 1 if the port cannot be had, 2 for wrong usage.

    \b
    lhbackupd simulate --port 9500
    lhbackupd simulate --port 9500 --clock 60
    """
    from lhbackupd.simulator.cluster import Cluster
    from lhbackupd.simulator.server import serve
    from lhbackupd.simulator.side_volumes import bulk

    cluster = Cluster(clock, nodes=nodes, seed=seed)
    if volumes:
        bulk(cluster.world, {"count": volumes, "prefix": "vol-", "namespace": "shop", "prefill": 8 * 2**20})

    def ready(actual: int) -> None:
        click.echo(f"simulated Longhorn at http://127.0.0.1:{actual}", err=False)

    faults: list[str] = []  # told outside: what is raised in `except*` gets into a group itself
    try:
        asyncio.run(serve(cluster, port=port, ready=ready))
    except* KeyboardInterrupt:
        pass
    except* OSError as error:
        faults = [f"it cannot listen on 127.0.0.1:{port}: {one}" for one in leaves(error)]
    if faults:
        die(faults, FAILED)
