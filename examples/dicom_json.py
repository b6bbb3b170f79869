"""DICOM as JSON, its bulk data apart, and back: python examples/dicom_json.py IN.dcm OUT_FOLDER"""

import sys
from pathlib import Path

import pacskit as pk
from pacskit.encoding import dicomjson


def main(source: str, folder: str) -> None:
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)

    def keep(element: pk.DataElement) -> str:
        name = f"{element.tag:08X}.bin"  # what a WADO-RS server would give a URL to
        (place / name).write_bytes(element.value)
        return name

    ds = pk.dcmread(source)
    with (place / "dataset.json").open("w", encoding="utf-8") as file:
        dicomjson.write(ds, file, bulk_data_element_handler=keep)
    with (place / "dataset.xml").open("w", encoding="utf-8") as file:
        file.write(ds.to_xml(bulk_data_element_handler=keep))

    with (place / "dataset.json").open(encoding="utf-8") as file:
        (back,) = dicomjson.iter_datasets(file, lambda uri: (place / uri).read_bytes())
    print(len(back), "attributes of", back.get("PatientName"))
    if "PixelData" in back:
        print(len(back.PixelData), "bytes of pixel data, fetched now")


if __name__ == "__main__":
    main(*sys.argv[1:3])
