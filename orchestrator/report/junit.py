"""JUnit XML, as GitLab, Jenkins and the report actions of GitHub read it."""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from orchestrator.report.cells import FIGURES, PARAMETERS, CellReport, RunReport, Status

# All that XML 1.0 can say (section 2.2), less what steers a terminal; there is no way to escape it.
_UNSAYABLE = re.compile("[^\t\n\r -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTACHMENT = "[[ATTACHMENT|"
_ELEMENTS = {Status.FAILED: "failure", Status.ERROR: "error", Status.SKIPPED: "skipped"}


def junit(run: RunReport) -> str:
    """Return a run as JUnit XML: one test case for each cell.

    A cell's parameters and figures are its properties, and its console is attached in Jenkins'
    manner, which GitLab knows, too.
    """
    suite = Element("testsuite", name=_say(run.name), tests=str(len(run.cells)))
    for status, attribute in (
        (Status.FAILED, "failures"),
        (Status.ERROR, "errors"),
        (Status.SKIPPED, "skipped"),
    ):
        suite.set(attribute, str(run.count(status)))
    suite.set("time", f"{sum(cell.seconds for cell in run.cells):.3f}")
    for cell in run.cells:
        _case(suite, run.name, cell)
    suites = Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: Element, campaign: str, cell: CellReport) -> None:
    case = SubElement(suite, "testcase", classname=_say(campaign), name=_say(cell.name))
    case.set("time", f"{cell.seconds:.3f}")
    properties = SubElement(case, "properties")
    for name, value in [("id", cell.id), *cell.values((*PARAMETERS, *FIGURES))]:
        SubElement(properties, "property", name=name, value=_say(value))
    if cell.status in _ELEMENTS:
        why = SubElement(case, _ELEMENTS[cell.status], message=_say(cell.detail or cell.outcome))
        if cell.status is not Status.SKIPPED:
            why.set("type", _say(cell.outcome))
    if cell.log is not None:
        out = SubElement(case, "system-out")
        # A guest is not to say which file of the CI service is attached.
        console = cell.console.replace(_ATTACHMENT, "[[attachment ")
        out.text = _say(f"{console}\n{_ATTACHMENT}{cell.log}]]\n")


def _say(text: str) -> str:
    return _UNSAYABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
