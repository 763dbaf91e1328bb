"""Guesses the encoding of text that is not UTF-8: the one in which its letters are the most probable."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

_CLEAR_MARGIN = 14.0  # bits by which the best guess must lead to be the only one
_MAX_GUESSES = 3  # guesses at most
_WORD_BREAK = re.compile(r'[\s,;|\t":/()\[\].!?-]+', re.ASCII)
_MAX_WORDS = 1000  # distinct words that are scored
_MIN_EXCERPT = 4000  # bytes; shorter data is a whole file, longer data may start and end inside a letter
_MAX_LETTER_BYTES = 4  # of any supported encoding
_MAX_BITS_PER_BYTE = 9.0  # a costlier decoding is not text

# The most frequent letters of each language; together about half of a text in Chinese, more in the others.
_SIMPLIFIED = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种"
    "事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民"
    "第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月"
    "话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变"
    "四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼"
    "书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切"
    "院让识候带导争运笑飞风步影爱花红星红龙父母奇侠夜梦杀标英雄功夫李黄霸姬归春秋故"
)
_TRADITIONAL = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種"
    "事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民"
    "第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月"
    "話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變"
    "四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬科司五基眼"
    "書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切"
    "院讓識候帶導爭運笑飛風步影愛花紅星龍父母奇俠夜夢殺標英雄功夫臥虎藏悲城恐怖份童往黃春秋故"
)
_KANJI = (
    "日一国人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電"
    "校語土木聞食車何南万毎白天母火右読友左休父雨新自会者社事分私的地田物野目家手動通世界神作主映画太郎花春夏秋冬海空"
    "風雪星夜夢心愛恋魔城侍姫隣館丘物語不思議少戦士王剣命魂鬼滅刃進撃巨千尋隠君名の題監督音楽武宇宙船道部屋京都姉妹"
)
_HANGUL = (
    "이다는의가을에하고지기도사은한로자어리나인해시대아그를정서전라일스만있과부들수장보주제여구유우조드마상게면거니으"
    "원안트공비선영성신오위화연물세경생문소동무르진방미모관학국행중할개되라산치적없것야년았었며때남분용식김재러"
    "단레저실내크바말계명체람회당속종간불운강달살인집네청려발피통역차월금파표더음열외심토호백타반태민포천황극씨복랑"
    "터박배양독품알본감디두석현결출와요철친구목추억괴설올하녀버닝왕겨울봄여름밤길번"
)
_WESTERN, _CENTRAL, _TURKISH = "éèêëàâäåáãæçíîïñóôöøõúùûüßœÿýìòð", "ąćęłńóśźżáčďéěíňřšťúůýžöüőűăâîșțđäôľĺŕ", "çğıöşüâîİ"

CodeLength = Callable[[str], float]  # bits per word in a language; implausible letters cost most


class Guess(NamedTuple):
    """A possible encoding. title: its usual name.  option: its name for --encoding."""

    title: str
    option: str


class _Candidate(NamedTuple):
    guess: Guess
    codec: str
    cost: CodeLength
    prior: float = 0.0  # bits added for rare encodings


class _Script(NamedTuple):
    """The lower-case letters of an alphabet.

    Attributes:
        frequent: The most frequent letters.
        first: The first letter of its Unicode range.
        last: The last letter of its Unicode range.
        vowels: The vowels; "" if words may lack them.
        final: Letters that only end words.
        rare: Rarely used letters.
        never_first: Letters that start no word.
        ends: Letters that most words end with; "" for any.
    """

    frequent: str
    first: str
    last: str
    vowels: str = ""
    final: str = ""
    rare: str = ""
    never_first: str = ""
    ends: str = ""


_CYRILLIC = _Script("оеаинтсрвлкмдпуяыьгзб", "\u0430", "\u045f", "аеиоуыэюяёіїє", rare="ђѓѕјљњћќѝўџ", never_first="ьыъ")
_GREEK = _Script(
    "αοιεητσνυρπκλμςάέίόύήώ", "\u03ac", "\u03ce", "αεηιουωάέήίόύώ", final="ς", rare="ΐΰϊϋ", ends="αεηιουωάέήίόύώςνρξψ"
)
_HEBREW = _Script("יוהלאמתרבש", "\u05d0", "\u05ea", final="ךםןףץ", never_first="".join(map(chr, range(0x5B0, 0x5C5))))
_ARABIC = _Script("المنيورتبةعدسفهكقح", "\u0621", "\u064a", final="ةى", never_first="ةىئؤء")
_THAI = _Script("านรกอเงมยลวดทตส่้ี", "\u0e01", "\u0e4e", never_first="ะัาำิีึืฺุู็่้๊๋์ํ๎ๅๆ", rare="ฃฅฤฦฺ๎ฯๅฌฎฏฐฑฒ")


def guess_encodings(data: bytes) -> tuple[Guess, ...]:
    """Guess the encoding of a text.

    Args:
        data: Text that is not UTF-8, with letters beyond ASCII.

    Returns:
        The possible encodings, most likely first: one if it is clear, at most three, none if no known encoding fits.
    """
    costs = [(cost, index) for index, one in enumerate(_CANDIDATES) if (cost := _cost(data, one)) is not None]
    near = [index for cost, index in sorted(costs) if cost <= min(costs)[0] + _CLEAR_MARGIN]
    return tuple(_final_guess(data, _CANDIDATES[index]) for index in near[:_MAX_GUESSES])


def is_multibyte(guess: Guess) -> bool:
    """Whether an encoding uses two bytes per letter."""
    return guess.option in _MULTIBYTE


def _final_guess(data: bytes, candidate: _Candidate) -> Guess:
    """Return the candidate's encoding, or its superset if the text has a letter that it lacks."""
    guess = candidate.guess
    return guess if _decode(data, guess.option) is not None else guess._replace(option=candidate.codec)


def _cost(data: bytes, candidate: _Candidate) -> float | None:
    """Return the bits of a text's distinct words in one encoding; None if undecodable or not text."""
    text = _decode(data, candidate.codec)
    if text is None:
        return None
    words = [word for word in dict.fromkeys(_WORD_BREAK.split(text)) if not word.isascii()][:_MAX_WORDS]
    plain = dict.fromkeys(re.sub(r"[0-9_]+", "", word) for word in words)
    cost = candidate.prior + math.fsum(candidate.cost(word) for word in plain)
    bytes_ = sum(len(word.encode(candidate.codec, "replace")) for word in plain)
    return cost if cost - candidate.prior <= _MAX_BITS_PER_BYTE * bytes_ else None


def _decode(data: bytes, codec: str) -> str | None:
    """Decode data, ignoring partial letters at the ends of an excerpt; None if it is not in this encoding."""
    line = data.find(b"\n") + 1
    for part in (data, data[line:]):
        try:
            return part.decode(codec)
        except UnicodeDecodeError as error:
            is_excerpt = len(data) >= _MIN_EXCERPT
            if is_excerpt and error.start >= len(part) - _MAX_LETTER_BYTES:
                return part[: error.start].decode(codec)
            if not is_excerpt or error.start >= line:
                return None
    return None


def _cjk_cost(codec: str, frequent: str, word: str) -> float:
    return sum(_cjk_letter_cost(letter, codec, frequent) for letter in word)


def _cjk_letter_cost(letter: str, codec: str, frequent: str) -> float:
    """Return the bits of one letter, by its script, its frequency and its range in the character set."""
    if letter.isascii():
        return 8.0
    if codec in _KANA and "\u3041" <= letter <= "\u30ff":
        return 7.5
    if letter in frequent:
        return 9.0
    lead, low, high = _COMMON_RANGE[codec]
    try:
        first = letter.encode(lead)[0]
    except UnicodeEncodeError:
        return 22.0
    if (codec == "cp949") != ("\uac00" <= letter <= "\ud7a3"):
        return 19.0  # Chinese letters in Korean text, or vice versa
    return 13.0 if low <= first <= high else 17.0


def _alphabet_cost(script: _Script, word: str) -> float:
    """Return the bits of a word in one alphabet: capitals start or fill a word, and most words have a vowel."""
    cost, previous = 0.0, ""
    letters = [letter for letter in word if script.first <= letter.lower() <= script.last]
    for letter in word:
        lower = letter.lower()
        if lower in script.frequent:
            cost += 4.3
        elif script.first <= lower <= script.last:
            cost += 12.0 if lower in script.rare else 6.8
        else:
            cost += 7.0 if letter.isascii() else 14.0
        if (previous in script.final and previous) or (not previous and letter in script.never_first):
            cost += 10.0
        if letter.isupper() and previous:
            cost += 9.0 if previous.islower() else 2.0
        previous = letter
    consonants_alone = script.vowels and len(letters) > 2 and not any(one.lower() in script.vowels for one in letters)
    if script.ends and len(letters) > 2 and letters[-1].islower() and letters[-1] not in script.ends:
        cost += 6.0
    return cost + (6.0 if consonants_alone else 0.0) + (2.0 if word[:1].isupper() else 0.0)


def _latin_cost(frequent: str, word: str) -> float:
    """Return the bits of a word in Latin letters with the diacritics of some languages."""
    cost, previous = 0.0, ""
    for letter in word:
        if letter.isascii():
            cost += 4.7
        elif letter.lower() in frequent:
            cost += 7.0
        else:
            cost += 12.0 if letter.isalpha() else 13.0
        if letter.isupper() and previous.islower():
            cost += 6.0
        if not letter.isascii() and previous and not previous.isascii():
            cost += 3.0  # letters with diacritics are rarely adjacent
        previous = letter
    return cost


_KANA = frozenset(("cp932", "euc_jp"))
_COMMON_RANGE = {  # a character set ordered by use, and the range of lead bytes of its common letters
    "gb18030": ("gb2312", 0xB0, 0xD7), "big5": ("big5", 0xA4, 0xC6), "cp932": ("euc_jp", 0xB0, 0xCF),
    "euc_jp": ("euc_jp", 0xB0, 0xCF), "cp949": ("euc_kr", 0xB0, 0xC8),
}  # fmt: skip
_MULTIBYTE = frozenset(("gbk", "gb18030", "big5", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949"))


def _cjk_candidate(title: str, option: str, codec: str, frequent: str) -> _Candidate:
    return _Candidate(Guess(title, option), codec, partial(_cjk_cost, codec, frequent))


def _alphabet_candidate(title: str, option: str, script: _Script, prior: float = 0.0) -> _Candidate:
    return _Candidate(Guess(title, option), option, partial(_alphabet_cost, script), prior)


_CANDIDATES = (
    _cjk_candidate("GBK", "gbk", "gb18030", _SIMPLIFIED),
    _cjk_candidate("Big5", "big5", "big5", _TRADITIONAL),
    _cjk_candidate("Shift JIS", "shift_jis", "cp932", _KANJI),
    _cjk_candidate("EUC-JP", "euc_jp", "euc_jp", _KANJI),
    _cjk_candidate("EUC-KR", "euc_kr", "cp949", _HANGUL),
    _alphabet_candidate("Windows Cyrillic", "cp1251", _CYRILLIC),
    _alphabet_candidate("KOI8-R", "koi8_r", _CYRILLIC, 2.0),
    _alphabet_candidate("DOS Cyrillic", "cp866", _CYRILLIC, 4.0),
    _alphabet_candidate("Windows Greek", "cp1253", _GREEK, 4.0),
    _alphabet_candidate("Windows Hebrew", "cp1255", _HEBREW, 4.0),
    _alphabet_candidate("Windows Arabic", "cp1256", _ARABIC, 8.0),
    _alphabet_candidate("Thai", "cp874", _THAI, 24.0),
    _Candidate(Guess("Western", "cp1252"), "cp1252", partial(_latin_cost, _WESTERN)),
    _Candidate(Guess("Central European", "cp1250"), "cp1250", partial(_latin_cost, _CENTRAL)),
    _Candidate(Guess("Latin-2", "iso8859_2"), "iso8859_2", partial(_latin_cost, _CENTRAL)),
    _Candidate(Guess("Turkish", "cp1254"), "cp1254", partial(_latin_cost, _TURKISH)),
)
