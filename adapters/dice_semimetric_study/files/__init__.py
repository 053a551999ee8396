"""One image file: header, voxels, slabs, and how it is written. It knows no case."""
