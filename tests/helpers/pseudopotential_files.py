"""Headers of pseudopotential files, as far as the engines read them, and settings to go with them."""

from pathlib import Path

UPF_2 = """<UPF version="2.0.1">
<PP_INFO>header="no"</PP_INFO>
<PP_HEADER generated="x" element="{element}" pseudo_type="{kind}"
 functional="{functional}" z_valence="4.000E+000" />
"""
UPF_1 = """<PP_HEADER>
   0                   Version Number
  Si                   Element
   NC                  Norm - Conserving pseudopotential
    F                  Nonlinear Core Correction
 SLA  PW   PBX  PBC    PBE  Exchange-Correlation functional
    4.00000000000      Z valence
</PP_HEADER>
"""
PSP8 = """{element}  r_core=   1.60303   1.72197   1.91712
{nucleus:.4f}      4.0000      170510    zatom,zion,pspd
{code}      {functional}   2     4   600     0    pspcod,pspxc,lmax,lloc,mmax,r2well
"""
POTCAR = """  PAW_PBE {element} 05Jan2001
 4.00000000000000
   VRHFIN ={element}: s2p2
   LEXCH  = PE
   POMASS =   28.085; ZVAL   =    4.000    mass and valenz
"""
GTH = """#
# {element} is also the first word of this comment
{element} GTH-PBE-q4 GTH-PBE
    2    2
     0.44000000    1    -6.26928833
#
P GTH-PBE-q5 GTH-PBE
    2    3
"""
BASIS = """# basis sets
 {element} SZV-GTH SZV-GTH-q4
 1
 2 0 1 1 1 1
      2.693604434572  0.015333179500 -0.005800105400
 {element} DZVP-GTH-q3
 1
"""
SCAN = {"cutoff_ev": 400.0, "k_spacing_per_ang": 0.5, "scf_tolerance": 1e-4, "smearing_ev": 0.1}


def upf(path: Path, element="Si", kind="USPP", functional="PBE") -> Path:
    path.write_text(UPF_2.format(element=element, kind=kind, functional=functional))
    return path


def psp8(path: Path, element="Si", nucleus=14, functional=11, code=8) -> Path:
    path.write_text(PSP8.format(element=element, nucleus=nucleus, functional=functional, code=code))
    return path
