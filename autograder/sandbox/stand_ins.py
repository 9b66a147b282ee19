"""Student's side: what stands for functions, environments and other objects of the trusted side."""

from typing import Any

from autograder.sandbox.modules import ModuleFacade, OptimizerFacade


class ObjectFacade:
    """Stands for an object; only the names that the trusted side lists can be used."""

    def __init__(self, peer: Any, number: int, type_name: str, names: dict[str, Any]) -> None:
        """Know which names there are."""
        self.__dict__["_home"] = (peer, number, type_name, names)

    def __getattr__(self, name: str) -> Any:
        peer, number, type_name, names = self.__dict__["_home"]
        if name in names["methods"]:
            return lambda *args, **kwargs: peer.request(
                "method", [number, name, list(args), kwargs]
            )
        if name in names["attributes"]:
            return peer.request("get", [number, name])
        raise AttributeError(f"{type_name!r} object has no attribute {name!r} while grading")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("attributes of this object cannot be set while grading")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        peer, _, type_name, names = self.__dict__["_home"]
        if not names["call"]:
            raise TypeError(f"{type_name!r} object is not callable")
        return peer.request("call", [self, list(args), kwargs])

    def __len__(self) -> int:
        return int(self.__getattr__("__len__")())

    def __repr__(self) -> str:
        return f"<{self.__dict__['_home'][2]}>"


def make_stand_in(peer: Any, number: int, kind: str, type_name: str, extra: Any) -> Any:
    """Make what stands for an object of the trusted side."""
    if kind == "module":
        return ModuleFacade(peer, number, "", extra)
    if kind == "optimizer":
        return OptimizerFacade(peer, number, extra)
    if kind == "object":
        return ObjectFacade(peer, number, type_name, extra)

    def function(*args: Any, **kwargs: Any) -> Any:
        return peer.request("call", [function, list(args), kwargs])

    return function
