"""Fixtures of the Redis door's tests."""

import pytest

from tests.resp.harness import Client, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return world.client()
