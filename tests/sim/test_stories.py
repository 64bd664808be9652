"""Claims about `dynakv.sim.stories`: how a script goes on, and when it does not."""

from dynakv.sim.cluster import Cluster
from dynakv.sim.knobs import draw
from dynakv.sim.stories import Story, tell
from dynakv.sim.timeline import MS


def test_a_story_goes_on_after_each_pause_until_everything_heals() -> None:
    cluster = Cluster(draw(1, 5, 3))
    told: list[int] = []

    def story() -> Story:
        for i in range(9):
            told.append(i)
            yield 10

    tell(story(), cluster.workload)
    cluster.timeline.run_until(25 * MS)
    assert told == [0, 1, 2]
    cluster.workload.calm = True
    cluster.timeline.run_until(200 * MS)
    assert told == [0, 1, 2]
