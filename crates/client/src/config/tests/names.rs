//! Every name, letter and default of the specification's tables, written down a second time.

use options::{Kind, Value, table_mistakes};

use super::*;

/// `module name(letter)=default …` of sections 7 and 11, seed to HEAD and ours.
const SPECIFIED: &str = "
    app: configFile(C)= renderer(g)=auto license(l)=no cursorPollInterval=1000
      framePollInterval=1000 allowDMA=yes shmFile(f)= transport=lgmp onVmExit=quit
    win: title=Looking_Glass_(client) appId=looking-glass-client position=center size=1024x768
      autoResize(a)=no allowResize(n)=yes keepAspect(r)=yes forceAspect=yes dontUpscale=no
      intUpscale=no shrinkOnUpscale=no borderless(d)=no fullScreen(F)=no maximize(T)=no
      minimizeOnFocusLoss=no fpsMin(K)=-1 ignoreQuit(Q)=no noScreensaver(S)=no
      autoScreensaver=no alerts(q)=yes quickSplash=no overlayDimsDesktop=yes rotate=0
      uiFont=DejaVu_Sans_Mono uiSize=14 jitRender=no requestActivation=yes showFPS(k)=no
      setGuestRes=yes disableWaitingMessage=no
    input: captureOnFocus=no grabKeyboard(G)=yes grabKeyboardOnFocus=no
      releaseKeysOnFocusLoss=yes escapeKey(m)=KEY_SCROLLLOCK ignoreWindowsKeys=no
      hideCursor(M)=yes mouseSens=0 mouseSmoothing=yes rawMouse=no mouseRedraw=yes
      autoCapture=no captureOnly=no helpMenuDelay=200 evdev= evdevExclusive=yes mouseTrace=no
      scaleCursor(j)=yes captureOnStart=no alwaysShowCursor=no showCursorDot=yes
      largeCursorDot=no
    spice: enable(s)=yes host(c)=127.0.0.1 port(p)=5900 input=yes clipboard=yes
      clipboardToVM=yes clipboardToLocal=yes audio=yes scaleCursor(j)=yes captureOnStart=no
      alwaysShowCursor=no showCursorDot=yes largeCursorDot=no waitForServer=yes usbAudio=yes
      display=auto password= passwordFile=
    audio: periodSize=512 bufferLatency=13 latencyOffset=6 micDefault=prompt
      micShowIndicator=yes syncVolume=yes debug=no resampler=auto
    egl: vsync=no doubleBuffer=no multisample=yes nvGainMax=1 nvGain=0 cbMode=0 scale=0 debug=no
      noBufferAge=no noSwapDamage=no scalePointer=yes preset= mapHDRtoSDR=yes
      peakLuminance=250 maxCLL=10000
    eglFilter: order= downscale=no downscalePixelSize=2.0 downscaleHOffset=0.0
      downscaleVOffset=0.0 downscaleFilter=0 ffxFSR=no ffxFSRSharpness=1.0 ffxCAS=no
      ffxCASSharpness=0.0 glslPath= glslEnabled=
    opengl: mipmap=yes vsync=no preventBuffer=yes amdPinnedMem=yes
    wayland: warpSupport=yes fractionScale=yes
    i3: globalFullScreen=no
    pipewire: outDevice= recDevice=
    lgmp: shmDevice(f)= allowDMA=yes cursorPollInterval=1000 framePollInterval=1000
    clipboard: toVM=yes toLocal=yes maxSize=64
    test: width=1920 height=1080 frameRate=60 frameCount=0 format=bgra damage=moving stride=0
      realtime=yes holdLastFrame=no captureFile= captureFrame=0 captureDelay=4
";

/// Full name, letter, default.
fn specified() -> Vec<(String, Option<char>, String)> {
    let mut module = "";
    let mut all = Vec::new();
    for word in SPECIFIED.split_whitespace() {
        if let Some(name) = word.strip_suffix(':') {
            module = name;
            continue;
        }
        let (name, default) = word.split_once('=').unwrap();
        let default = default.replace('_', if default.starts_with("KEY") { "_" } else { " " });
        match name
            .strip_suffix(')')
            .filter(|_| !name.starts_with("title"))
        {
            Some(name) => {
                let (name, letter) = name.split_once('(').unwrap();
                all.push((format!("{module}:{name}"), letter.chars().next(), default));
            }
            None => all.push((format!("{module}:{name}"), None, default)),
        }
    }
    all
}

fn spec_of(name: &str) -> &'static OptionSpec {
    let has_name = |spec: &&OptionSpec| spec.full_name() == name || spec.aliases.contains(&name);
    table()
        .iter()
        .find(has_name)
        .unwrap_or_else(|| panic!("{name} is missing"))
}

#[test]
fn every_specified_name_letter_and_default_is_in_the_table() {
    for (name, letter, default) in specified() {
        let spec = spec_of(&name);
        assert_eq!(spec.short, letter, "{name}");
        assert_eq!(spec.kind.default_value().to_string(), default, "{name}");
    }
}

#[test]
fn table_has_nothing_that_is_not_specified() {
    let specified = specified();
    let names = table().iter().flat_map(|spec| {
        let aliases = spec.aliases.iter().map(|alias| (*alias).to_owned());
        aliases.chain([spec.full_name()])
    });
    for name in names {
        assert!(
            specified.iter().any(|(known, _, _)| *known == name),
            "{name}"
        );
    }
}

#[test]
fn table_has_no_mistakes() {
    assert_eq!(table_mistakes(table()), [""; 0]);
    assert!(table().iter().all(|spec| !spec.description.is_empty()));
}

#[test]
fn file_with_every_name_of_every_revision_gives_no_warning() {
    let mut text = String::new();
    for (name, _, default) in specified()
        .iter()
        .filter(|(name, _, _)| name != "app:shmFile")
    {
        let (module, name) = name.split_once(':').unwrap();
        if (module, name) == ("lgmp", "shmDevice") {
            text.push_str("[app]\nshmFile=kvmfr0\n[lgmp]\nshmDevice=/dev/null\n");
        } else {
            text.push_str(&format!("[{module}]\n{name}={default}\n"));
        }
    }
    let machine = Machine::new();
    machine.write(HOME, &text);
    let loaded = machine.loaded(&[]);
    assert_eq!(texts(&loaded, Level::Warning), [""; 0]);
    assert_eq!(texts(&loaded, Level::Error), [""; 0]);
    let set = loaded
        .options
        .iter()
        .filter(|(_, _, origin)| **origin != options::Origin::Default);
    assert_eq!(set.count(), table().len());
}

#[test]
fn defaults_have_the_type_of_their_option() {
    for spec in table() {
        let is_text = matches!(spec.kind, Kind::Text(_) | Kind::Choice { .. });
        assert_eq!(is_text, matches!(spec.kind.default_value(), Value::Text(_)));
    }
}
