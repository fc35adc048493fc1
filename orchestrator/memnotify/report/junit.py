"""JUnit XML, as GitLab, Jenkins and GitHub's report actions read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from memnotify.report.cells import (
    FIGURES,
    PARAMETERS,
    CaseStatus,
    CellReport,
    ExpectReport,
    RunReport,
    count,
)

# All characters of XML 1.0 (section 2.2) except terminal controls; XML cannot escape the others.
_UNSAYABLE = re.compile("[^\t\n\r -~\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTACHMENT = "[[ATTACHMENT|"
_ELEMENTS = {CaseStatus.FAILED: "failure", CaseStatus.ERROR: "error", CaseStatus.SKIPPED: "skipped"}


def junit(run: RunReport) -> str:
    """Return a run as JUnit XML: one test case per cell, and a suite of its expectations.

    A cell's parameters and figures are properties. Its console is attached in Jenkins' format,
    which GitLab also knows; both look for it from the folder in which the job runs.
    """
    suites = Element("testsuites")
    suite = _suite(suites, run.name, run.cells)
    suite.set("time", f"{sum(cell.seconds for cell in run.cells):.3f}")
    for cell in run.cells:
        _case(suite, run.name, cell)
    if run.expected:
        name = f"{run.name}: expected"
        suite = _suite(suites, name, run.expected)
        for one in run.expected:
            case = SubElement(suite, "testcase", classname=_say(name), name=_say(_what(one)))
            if one.status in _ELEMENTS:
                SubElement(case, _ELEMENTS[one.status], message=_say(one.result))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _suite(suites: Element, name: str, reports: Sequence[CellReport | ExpectReport]) -> Element:
    suite = SubElement(suites, "testsuite", name=_say(name), tests=str(len(reports)))
    for status, attribute in (
        (CaseStatus.FAILED, "failures"),
        (CaseStatus.ERROR, "errors"),
        (CaseStatus.SKIPPED, "skipped"),
    ):
        suite.set(attribute, str(count(reports, status)))
    return suite


def _what(expected: ExpectReport) -> str:
    return f"{expected.says}: {expected.what}"


def _case(suite: Element, campaign: str, cell: CellReport) -> None:
    case = SubElement(suite, "testcase", classname=_say(campaign), name=_say(cell.name))
    case.set("time", f"{cell.seconds:.3f}")
    properties = SubElement(case, "properties")
    for name, value in [("id", cell.id), *cell.values((*PARAMETERS, *FIGURES))]:
        SubElement(properties, "property", name=name, value=_say(value))
    if cell.status in _ELEMENTS:
        why = SubElement(case, _ELEMENTS[cell.status], message=_say(cell.detail or cell.outcome))
        if cell.status is not CaseStatus.SKIPPED:
            why.set("type", _say(cell.outcome))
    if cell.log is not None:
        out = SubElement(case, "system-out")
        # A guest must not choose the file that the CI service attaches.
        console = cell.console.replace(_ATTACHMENT, "[[attachment ")
        out.text = _say(f"{console}\n{_ATTACHMENT}{cell.log}]]\n")


def _say(text: str) -> str:
    return _UNSAYABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
