import pytest

from pipeline.core.addresses import is_public


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "192.0.0.9"]
)
def test_an_address_of_the_internet_is_public(text: str) -> None:
    assert is_public(text)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - nothing is bound
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff0e::1",
        "2001:db8::1",
    ],
)
def test_an_address_of_a_machine_or_a_network_of_its_own_is_not(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    "text",
    [
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:a9fe:a9fe",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
        "2002:c0a8:1::1",
    ],
)
def test_nor_is_one_that_stands_for_such_an_address(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    "text", ["", "localhost", "2130706433", "127.1", "0177.0.0.1", "8.8.8.8:80", "[::1]"]
)
def test_what_is_no_address_in_its_usual_notation_is_not_public(text: str) -> None:
    assert not is_public(text)
