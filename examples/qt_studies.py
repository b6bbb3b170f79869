"""A window that queries and receives DICOM: python examples/qt_studies.py AE@host:port [once]

Everything that waits is in a thread; a signal brings what it found to the window. With ``once`` it asks one question
and ends.
"""

import sys
import threading
from contextlib import closing
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QMainWindow, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

import pacskit as pk

QUEUED = Qt.ConnectionType.QueuedConnection  # whatever thread emits, the window's thread is where it arrives
COLUMNS = ("PatientName", "PatientID", "StudyDate", "StudyInstanceUID")


class Query(QObject):
    """A C-FIND in a thread. Its signals are delivered in the thread of the window."""

    found = Signal(object, list)
    failed = Signal(str)
    done = Signal(object)

    def __init__(self, address: str, name: str) -> None:
        super().__init__()
        self._address, self._name = address, name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        self._stop.set()

    def wait(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            with (
                pk.connect(self._address, calling="WS1", timeouts=pk.Timeouts(connect=5, dimse=30)) as peer,
                closing(peer.find(pk.Level.STUDY, PatientName=self._name or "*", return_keys=COLUMNS)) as answers,
            ):
                for study in answers:
                    if self._stop.is_set():
                        break  # leaving the answers early sends a C-CANCEL
                    self.found.emit(self, [str(study.get(keyword, "")) for keyword in COLUMNS])
        except pk.NetworkError as error:
            self.failed.emit(f"{type(error).__name__}: {error}")
        self.done.emit(self)


class Window(QMainWindow):
    said = Signal(str)
    answered = Signal()

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._queries: list[Query] = []  # that run; the last one is the one that is shown
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.name = QLineEdit(placeholderText="DOE*")
        self.name.returnPressed.connect(self.ask)
        layout = QVBoxLayout()
        layout.addWidget(self.name)
        layout.addWidget(self.table)
        middle = QWidget()
        middle.setLayout(layout)
        self.setCentralWidget(middle)
        self.said.connect(self.statusBar().showMessage, QUEUED)
        self.scp = pk.SCP("WS1", port=0)
        self.scp.on_store(self._keep)
        self.scp.start()

    def _keep(self, event: pk.StoreEvent) -> None:  # in the thread of the association: it touches no widget
        self.said.emit(f"received {event.save_into(Path('inbox')).name}")

    def ask(self) -> None:
        for query in self._queries:
            query.cancel()
        self.table.setRowCount(0)
        query = Query(self._address, self.name.text())
        query.found.connect(self._show, QUEUED)
        query.failed.connect(self.said, QUEUED)
        query.done.connect(self._done, QUEUED)
        self._queries.append(query)
        query.start()

    def _show(self, query: Query, values: list[str]) -> None:
        if query is not self._queries[-1]:
            return  # it was asked something else meanwhile
        row = self.table.rowCount()
        self.table.insertRow(row)
        for column, value in enumerate(values):
            self.table.setItem(row, column, QTableWidgetItem(value))

    def _done(self, query: Query) -> None:
        query.wait()
        self._queries.remove(query)
        if not self._queries:
            self.answered.emit()

    def closeEvent(self, event: QCloseEvent) -> None:
        for query in self._queries:
            query.cancel()
            query.wait()
        self.scp.stop()
        event.accept()


def main(address: str, *, once: bool) -> int:
    application = QApplication([])
    window = Window(address)
    window.show()
    print("listening at", window.scp.address, flush=True)
    if once:
        window.answered.connect(window.close, QUEUED)
        window.ask()
    code = application.exec()  # ends when the window is closed
    for row in range(window.table.rowCount()):
        items = (window.table.item(row, column) for column in range(len(COLUMNS)))
        print("study:", [item.text() for item in items if item is not None])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], once="once" in sys.argv))
